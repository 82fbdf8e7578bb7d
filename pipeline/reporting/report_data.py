"""results/report.html: one page that shows the run, from whatever steps have run so far.

Every number on it is read from what the steps left in results/ and data/; the page itself, its words and its
looks, is pipeline/report.html.
"""

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS, SPLITS
from pipeline.reporting import run_log
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import RESULTS, STEPS

MAX_EXAMPLES = 6  # surest right and surest wrong answers on the page
RELIABILITY_BINS = 10  # of confidence, in the reliability diagram
REPORTED_METRICS = [
    "accuracy",
    "loss",
    "balanced_accuracy",
    "macro_f1",
    "top_2_accuracy",
    "expected_calibration_error",
]

ReportData = dict[str, Any]


def read_json(name: str) -> ReportData:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def read_image(name: str) -> str:
    """A picture as a data URI, so that the page is whole by itself."""
    return "data:image/png;base64," + base64.b64encode((RESULTS / name).read_bytes()).decode()


def check_metrics(metrics: ReportData) -> ReportData:
    """metrics.json, once it is sure to have what the page shows."""
    for split in metrics["splits"].values():
        for name in REPORTED_METRICS:
            split[name] = float(split[name])
        low, high = split["accuracy_95"]
        split["interval"] = (float(low), float(high))
    _ = (metrics["splits"]["test"], metrics["network"]["name"], metrics["data"])  # KeyError where they lack
    return metrics


def check_analysis(analysis: ReportData) -> ReportData:
    counts = {SPLITS[usage]: analysis["counts"][usage] for usage in SPLITS}
    rows = [(emotion, [int(counts[split][emotion]) for split in counts]) for emotion in counts["train"]]
    duplicates, images = analysis["duplicates"], analysis["images"]
    wrong = [
        ("rows that repeat another", duplicates["repeated_rows"]),
        ("validation faces that stand in train too", duplicates["also_in_training"]["PublicTest"]),
        ("test faces that stand in train too", duplicates["also_in_training"]["PrivateTest"]),
        ("groups of equal images with different labels", duplicates["groups_with_different_labels"]),
        ("constant images", images["constant"]),
        ("nearly black images", images["nearly_black"]),
    ]
    wrong = [(what, int(count)) for what, count in wrong]
    return {
        "splits": list(counts),
        "rows": rows,
        "totals": [sum(counts[s].values()) for s in counts],
        "wrong": wrong,
    }


def check_layers(model: ReportData) -> list[ReportData]:
    return [
        {"layer": layer["layer"], "output": list(layer["output"]), "parameters": int(layer["parameters"])}
        for layer in model["layers"]
    ]


def per_emotion(report: ReportData) -> list[ReportData]:
    names = ("precision", "recall", "f1-score", "support")
    return [{"emotion": e} | {name: float(report[e][name]) for name in names} for e in EMOTIONS]


def collect_exports() -> list[ReportData]:
    """The files of the model cards in results/, the newest card's."""
    cards = sorted(RESULTS.glob("FER_CNN_*.json"), key=lambda path: path.stat().st_mtime)
    if not cards:
        raise FileNotFoundError
    formats = json.loads(cards[-1].read_text(encoding="utf-8"))["formats"]
    numbers = ("bytes", "largest_difference", "milliseconds")
    return [
        {"file": name, "there": (RESULTS / name).exists()}
        | {number: float(facts[number]) for number in numbers}
        for name, facts in formats.items()
    ]


def collect_runs() -> ReportData:
    """The trainings of runs.csv, the newest first, and points of test accuracy against parameters."""
    lines = run_log.read_runs()
    if not lines:
        raise FileNotFoundError
    points = []
    for number, line in enumerate(lines, start=1):
        line["number"] = number
        if line["test_accuracy"] and int(line["parameters"] or 0) > 0:
            points.append((int(line["parameters"]), float(line["test_accuracy"]), number, line["network"]))
    return {"lines": lines[::-1], "scatter": scatter_points(points)}


def scatter_points(points: list[tuple[int, float, int, str]]) -> list[ReportData]:
    """Where the points (parameters, accuracy, number, network) lie in a drawing; parameters by their logarithm."""
    if not points:
        return []
    logs = np.log10([point[0] for point in points])
    left, right = logs.min() - 0.2, logs.max() + 0.2
    return [
        {
            "x": round(50 + 570 * (log - left) / (right - left), 1),
            "y": round(210 - 190 * accuracy, 1),
            "label": f"run {number}, {name}: {parameters:,} parameters, {accuracy:.2%}",
        }
        for log, (parameters, accuracy, number, name) in zip(logs, points, strict=True)
    ]


def collect_steps(store: ArtifactStore) -> list[ReportData]:
    """Each step with when it ran, how long, and how much memory it took."""
    try:
        records = store.manifest()["steps"]
    except ValueError:
        records = {}
    told = []
    for step in STEPS:
        networks = [name for name in records if step.number == 7 and name.endswith("_model.py")]
        ran = [name for name in networks if name not in ("Compiling_model.py", "Save_model.py")]
        script = max(ran, key=lambda name: records[name].get("finished", ""), default=step.script)
        record = records.get(script, {})
        memory = record.get("peak_memory")
        told.append(
            {
                "number": step.number,
                "script": script,
                "title": step.title,
                "seconds": record.get("seconds"),
                "megabytes": round(memory / 1e6) if memory else None,
                "finished": record.get("finished", ""),
            }
        )
    return told


def collect_settings(store: ArtifactStore) -> list[ReportData]:
    """The settings of each step that has run, with whether the command line changed them."""
    records = store.manifest()["steps"]
    told = [
        {"script": script, "fields": record["settings"], "changed": record["changed"]}
        for script, record in sorted(records.items(), key=lambda item: item[1]["finished"])
    ]
    if not told:
        raise FileNotFoundError
    return told


def confusion_rows(store: ArtifactStore) -> list[ReportData]:
    """A row per true emotion: counts, shares, and colors that stay legible."""
    labels, probabilities = _test(store)
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return [
        {
            "emotion": emotion,
            "cells": [_cell(int(count), float(share)) for count, share in zip(*row, strict=True)],
        }
        for emotion, *row in zip(EMOTIONS, counts, shares, strict=True)
    ]


def _cell(count: int, share: float) -> ReportData:
    """A shade of blue by share; black writing is legible on it up to the middle, white beyond."""
    white, blue = np.array([255, 255, 255]), np.array([8, 48, 107])
    red, green, blue = (white + (blue - white) * share**0.7).astype(int)
    return {"count": count, "share": share, "back": f"#{red:02x}{green:02x}{blue:02x}", "dark": share > 0.38}


def most_confident(store: ArtifactStore) -> ReportData:
    """The right and the wrong answers of which the network was surest, with all probabilities."""
    labels, probabilities = _test(store)
    faces = store.read("test_x")
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = confidence.argsort(kind="stable")[::-1]
    is_right = (predicted == labels)[order]
    groups = {"right": order[is_right][:MAX_EXAMPLES], "wrong": order[~is_right][:MAX_EXAMPLES]}

    def told(row: int) -> ReportData:
        return {
            "face": _face(faces[row]),
            "label": EMOTIONS[labels[row]],
            "predicted": EMOTIONS[predicted[row]],
            "probabilities": [float(probability) for probability in probabilities[row]],
        }

    return {group: [told(row) for row in rows] for group, rows in groups.items()}


def _face(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray((pixels.squeeze() * 255).round().astype(np.uint8)).save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def reliability_bins(store: ArtifactStore) -> list[ReportData]:
    """Bins of confidence: how sure the network was on average there, how often it was right, on how many faces."""
    labels, probabilities = _test(store)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    bins = [which == number for number in range(RELIABILITY_BINS)]
    return [
        {"confidence": confidence[inside].mean(), "accuracy": right[inside].mean(), "faces": inside.sum()}
        for inside in bins
        if inside.any()
    ]


def _test(store: ArtifactStore) -> tuple[np.ndarray, np.ndarray]:
    predictions = store.read("predictions")["test"]
    return predictions["labels"], predictions["probabilities"]
