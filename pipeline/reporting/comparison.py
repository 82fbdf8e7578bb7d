"""Compare two trainings on the same test faces: settings, learning curves, metrics and confusion matrices.

The metrics' differences have paired 95% intervals: the bootstrap draws faces, each with its label and both predictions.
Whether the accuracies differ is McNemar's exact test (Q. McNemar, 1947).
"""

import json
import textwrap
from typing import Any

import numpy as np

from pipeline.data.fer2013 import Emotions
from pipeline.evaluation.metrics import Predictions, confusion_shares
from pipeline.figures.palette import needs_white_text
from pipeline.reporting import charts
from pipeline.reporting.run_archive import Run
from pipeline.workflow.formatting import SCREEN_WIDTH

BOOTSTRAP_DRAWS = 2000
SIGNIFICANCE = 0.05
POSITIVE_COLOR, NEGATIVE_COLOR = (
    np.array([0, 114, 178]),
    np.array([213, 94, 0]),
)  # RGB at the largest difference

Comparison = dict[str, Any]


def compare_runs(first: Run, second: Run) -> Comparison:
    """Compare two archived runs.

    Raises:
        ValueError: If they predict different emotions, or were evaluated on different test faces.
    """
    before, after = first["predictions"], second["predictions"]
    if before.emotions != after.emotions:
        raise ValueError(
            f"Runs {first['number']} and {second['number']} predict different emotions, so they cannot be compared: "
            f"{', '.join(before.emotions)}; {', '.join(after.emotions)}."
        )
    if not have_equal_faces(first, second):
        raise ValueError(
            f"Runs {first['number']} and {second['number']} were evaluated on different test faces, so they cannot be "
            "compared. Train and evaluate both on the same data set."
        )
    return {
        "names": [f"run {run['number']}, {run['record']['network']}" for run in (first, second)],
        "views": [first["views"], second["views"]],
        "settings": list_setting_differences(first, second),
        "metrics": compare_metrics(before, after),
        "mcnemar": mcnemar_test(before.correct, after.correct),
        "curves": overlay_curves(first, second),
        "matrix": build_difference_rows(before, after),
        "emotions": before.emotions,
    }


def have_equal_faces(first: Run, second: Run) -> bool:
    """Return whether two runs were evaluated on the same test faces with the same labels."""
    before, after = first["predictions"], second["predictions"]
    return (
        first["faces_sha256"] == second["faces_sha256"]
        and before.emotions == after.emotions
        and np.array_equal(before.labels, after.labels)
    )


def list_setting_differences(first: Run, second: Run) -> list[tuple[str, str, str, str]]:
    """Return (step, setting, first value, second value) of the settings that differ."""
    before, after = ({"run": {"network": r["record"]["network"]}} | _settings(r) for r in (first, second))
    return [
        (step, name, str(before.get(step, {}).get(name, "")), str(after.get(step, {}).get(name, "")))
        for step in {**before, **after}
        for name in {**before.get(step, {}), **after.get(step, {})}
        if before.get(step, {}).get(name) != after.get(step, {}).get(name)
    ]


def _settings(run: Run) -> dict[str, dict[str, Any]]:
    try:
        return json.loads(run["record"]["settings"])
    except ValueError:
        return {}


def mcnemar_test(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Test whether two classifiers have the same accuracy.

    Args:
        before, after: Whether each classifier is right on each face, (N,) bool.

    Returns:
        The numbers of faces on which `only_first` and `only_second` is right, and the two-sided `p_value`.
    """
    from scipy.stats import binomtest  # here, because only a comparison needs it

    only_first, only_second = int((before & ~after).sum()), int((~before & after).sum())
    discordant = only_first + only_second
    p_value = float(binomtest(only_second, discordant, 0.5).pvalue) if discordant else 1.0
    return {
        "only_first": only_first,
        "only_second": only_second,
        "p_value": p_value,
        "is_significant": p_value < SIGNIFICANCE,
    }


def compare_metrics(before: Predictions, after: Predictions) -> list[dict[str, Any]]:
    """Return each metric of both classifiers, their difference and its paired 95% interval."""
    n_classes, n = len(before.emotions), len(before)
    cells = np.zeros((n_classes,) * 3, np.int64)  # by label, first and second prediction
    np.add.at(cells, (before.labels, before.predicted, after.predicted), 1)
    draws = np.random.default_rng(0).multinomial(n, cells.ravel() / n, BOOTSTRAP_DRAWS)
    draws = draws.reshape(-1, *cells.shape)
    point = [_matrix_metrics(cells.sum(axis=axis)[None], before.emotions) for axis in (2, 1)]
    drawn = [_matrix_metrics(draws.sum(axis=axis), before.emotions) for axis in (3, 2)]
    rows = []
    for name in point[0]:
        low, high = np.percentile(drawn[1][name] - drawn[0][name], (2.5, 97.5))
        first, second = float(point[0][name][0]), float(point[1][name][0])
        rows.append(
            {"name": name, "first": first, "second": second, "difference": second - first}
            | {"low": float(low), "high": float(high), "is_significant": bool(low > 0 or high < 0)}
        )
    return rows


def _matrix_metrics(matrices: np.ndarray, emotions: Emotions) -> dict[str, np.ndarray]:
    """Return metrics (D,) of D confusion matrices (D, K, K); a class without faces counts in none of the means."""
    correct = matrices.diagonal(axis1=1, axis2=2).astype(float)
    true, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    recall = np.divide(correct, true, out=np.zeros_like(correct), where=true > 0)
    total = true + predicted
    f1 = np.divide(2 * correct, total, out=np.zeros_like(correct), where=total > 0)
    present = np.maximum((true > 0).sum(axis=1), 1)
    metrics = {
        "accuracy": correct.sum(axis=1) / true.sum(axis=1),
        "mean recall": recall.sum(axis=1) / present,
        "macro-F1": f1.mean(axis=1),
    }
    return metrics | {f"recall, {emotion}": recall[:, i] for i, emotion in enumerate(emotions)}


def overlay_curves(first: Run, second: Run) -> list[charts.Chart]:
    """Return the charts of accuracy and loss with the curves of both runs; those of the first are dashed."""
    styles = ("train before", "validation before", "train", "validation")
    overlays = []
    for title, metric, format_value, limits in (
        ("Accuracy", "accuracy", "{:.1%}".format, charts.SHARES),
        ("Loss", "loss", "{:.3g}".format, charts.UNLIMITED),
    ):
        series = {
            f"run {run['number']} {split}": run["history"][f"{prefix}{metric}"]
            for run in (first, second)
            for split, prefix in (("train", ""), ("validation", "val_"))
        }
        overlays.append(charts.line_chart(title, series, format_value, styles, limits=limits))
    return overlays


def build_difference_rows(before: Predictions, after: Predictions) -> list[dict[str, Any]]:
    """Return a row per true emotion with a cell per predicted one: the change of the share, in points, and colors."""
    differences = 100 * (confusion_shares(after) - confusion_shares(before))
    largest = max(float(np.abs(differences).max()), 1e-9)
    return [
        {"emotion": emotion, "cells": [_difference_cell(float(value), largest) for value in row]}
        for emotion, row in zip(before.emotions, differences, strict=True)
    ]


def _difference_cell(points: float, largest: float) -> dict[str, Any]:
    color = POSITIVE_COLOR if points > 0 else NEGATIVE_COLOR
    red, green, blue = (255 + (color - 255) * abs(points) / largest).astype(int).tolist()
    return {
        "points": points,
        "background": f"#{red:02x}{green:02x}{blue:02x}",
        "is_dark": needs_white_text((red, green, blue)),
    }


def summarize(comparison: Comparison) -> str:
    """Return in one sentence how the accuracies differ, and whether by more than chance."""
    accuracy, test = comparison["metrics"][0], comparison["mcnemar"]
    first, second = comparison["names"]
    chance = "more than chance explains" if test["is_significant"] else "which chance may explain"
    return (
        f"The accuracy of {second} differs from that of {first} by {100 * accuracy['difference']:+.2f} points "
        f"({100 * accuracy['low']:+.2f} to {100 * accuracy['high']:+.2f}), {chance}: only {second} is right on "
        f"{test['only_second']:,} faces, only {first} on {test['only_first']:,} (McNemar's exact test, "
        f"p = {test['p_value']:.2g})."
    )


def format_comparison(comparison: Comparison) -> str:
    """Return the comparison as text for a terminal, at most SCREEN_WIDTH characters wide."""
    lines = [f"{' and '.join(comparison['names'])}:"]
    lines += [f"  {step}.{name}: {a} -> {b}" for step, name, a, b in comparison["settings"]]
    lines.append(f"  {'test':<18}{'first':>9}{'second':>9}{'difference, points (95% interval)':>37}")
    for row in comparison["metrics"]:
        interval = f"{100 * row['difference']:+.2f} ({100 * row['low']:+.2f} to {100 * row['high']:+.2f})"
        lines.append(f"  {row['name']:<18}{row['first']:>9.2%}{row['second']:>9.2%}{interval:>37}")
    summary = textwrap.wrap(summarize(comparison), SCREEN_WIDTH - 2)
    return "\n".join([*lines, *(f"  {line}" for line in summary)])
