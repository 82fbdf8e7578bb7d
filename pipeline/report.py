"""results/report.html: one page that shows the run, from whatever steps have run so far.

Every number on it is read from what the steps left in results/ and data/; the page itself, its words and its
looks, is pipeline/report.html.
"""

import base64
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import runs
from pipeline.cache import Cache
from pipeline.dataset import EMOTIONS, SPLITS
from pipeline.files import write_text
from pipeline.steps import RESULTS, STEPS

import jinja2
import numpy as np
from PIL import Image

TEMPLATE = Path(__file__).with_name("report.html")
PATH = RESULTS / "report.html"
SHOWN = 6  # surest right and surest wrong answers on the page
BINS = 10  # of confidence, in the reliability diagram
SHOWN_FIGURES = [
    "accuracy",
    "loss",
    "balanced_accuracy",
    "macro_f1",
    "top_2_accuracy",
    "expected_calibration_error",
]

Facts = dict[str, Any]


def write() -> Path:
    """Write the page and return where it is."""
    cache = Cache(script=TEMPLATE.name)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda share, digits=2: f"{share:.{digits}%}"
    environment.globals["emotions"] = EMOTIONS
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    with cache.at_work():
        write_text(PATH, template.render(collect(cache)))
    return PATH


def collect(cache: Cache) -> Facts:
    """All that the page shows. A part whose step hasn't run, or left what can't be read, says so instead."""
    builders: dict[str, tuple[int, Callable[[Cache], Any]]] = {
        "metrics": (9, lambda _: _checked_metrics(_json("metrics.json"))),
        "analysis": (3, lambda _: _checked_analysis(_json("analysis.json"))),
        "distribution": (4, lambda _: _picture("class_distribution.png")),
        "faces": (5, lambda _: _picture("emotions.png")),
        "mean_faces": (5, lambda _: _picture("mean_faces.png")),
        "diagram": (7, lambda _: _picture("model.png")),
        "layers": (7, lambda _: _checked_layers(_json("model.json"))),
        "curves": (10, lambda _: _picture("learning_curves.png")),
        "confusion": (9, confusion),
        "pairs": (11, lambda _: _picture("confused_pairs.png")),
        "per_emotion": (12, lambda _: _per_emotion(_json("classification_report.json"))),
        "answers": (9, surest_answers),
        "reliability": (9, reliability),
        "exports": (13, lambda _: exports()),
        "environment": (1, lambda c: c.read("environment")),
        "settings": (2, settings),
    }
    facts = {name: _part(number, build, cache) for name, (number, build) in builders.items()}
    source = _part(2, lambda c: c.read("source"), cache)
    trainings = _part(8, lambda _: history_of_runs(), cache)
    return facts | {
        "source": source,
        "runs": trainings,
        "steps": steps(cache),
        "made": datetime.now().astimezone(),
    }


def _part(number: int, build: Callable[[Cache], Any], cache: Cache) -> Facts:
    """{"content": what `build` makes}, or {"reason": a sentence on why there is none}."""
    step = STEPS[number - 1]
    run = f"Run: python {step.script}" if "&" not in step.script else f'Run: python "{step.script}"'
    try:
        return {"content": build(cache)}
    except FileNotFoundError:
        return {"reason": f"Step {number} has not run yet. {run}"}
    except (ValueError, OSError) as error:
        return {"reason": f"Not shown: {error}" if "Run: " in str(error) else f"Not shown: {error}. {run}"}
    except (KeyError, TypeError, IndexError, AttributeError):
        return {"reason": f"What step {number} left is not of this version. {run}"}


# --------------------------------------------------------------------------------------------------
# What stands in results/
# --------------------------------------------------------------------------------------------------
def _json(name: str) -> Facts:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def _picture(name: str) -> str:
    """A picture as a data URI, so that the page is whole by itself."""
    return "data:image/png;base64," + base64.b64encode((RESULTS / name).read_bytes()).decode()


def _checked_metrics(metrics: Facts) -> Facts:
    """metrics.json, once it is sure to have what the page shows."""
    for split in metrics["splits"].values():
        for name in SHOWN_FIGURES:
            split[name] = float(split[name])
        low, high = split["accuracy_95"]
        split["interval"] = (float(low), float(high))
    _ = (metrics["splits"]["test"], metrics["network"]["name"], metrics["data"])  # KeyError where they lack
    return metrics


def _checked_analysis(analysis: Facts) -> Facts:
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


def _checked_layers(model: Facts) -> list[Facts]:
    return [
        {"layer": layer["layer"], "output": list(layer["output"]), "parameters": int(layer["parameters"])}
        for layer in model["layers"]
    ]


def _per_emotion(report: Facts) -> list[Facts]:
    names = ("precision", "recall", "f1-score", "support")
    return [{"emotion": e} | {name: float(report[e][name]) for name in names} for e in EMOTIONS]


def exports() -> list[Facts]:
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


def history_of_runs() -> Facts:
    """The trainings of runs.csv, the newest first, and points of test accuracy against parameters."""
    lines = runs.read()
    if not lines:
        raise FileNotFoundError
    points = []
    for number, line in enumerate(lines, start=1):
        line["number"] = number
        if line["test_accuracy"] and int(line["parameters"] or 0) > 0:
            points.append((int(line["parameters"]), float(line["test_accuracy"]), number, line["network"]))
    return {"lines": lines[::-1], "scatter": scatter(points)}


def scatter(points: list[tuple[int, float, int, str]]) -> list[Facts]:
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


# --------------------------------------------------------------------------------------------------
# What stands in data/
# --------------------------------------------------------------------------------------------------
def steps(cache: Cache) -> list[Facts]:
    """Each step with when it ran, how long, and how much memory it took."""
    try:
        records = cache.manifest()["steps"]
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


def settings(cache: Cache) -> list[Facts]:
    """The settings of each step that has run, with whether the command line changed them."""
    records = cache.manifest()["steps"]
    told = [
        {"script": script, "fields": record["settings"], "changed": record["changed"]}
        for script, record in sorted(records.items(), key=lambda item: item[1]["finished"])
    ]
    if not told:
        raise FileNotFoundError
    return told


def confusion(cache: Cache) -> list[Facts]:
    """A row per true emotion: counts, shares, and colours that stay legible."""
    labels, probabilities = _test(cache)
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


def _cell(count: int, share: float) -> Facts:
    """A shade of blue by share; black writing is legible on it up to the middle, white beyond."""
    white, blue = np.array([255, 255, 255]), np.array([8, 48, 107])
    red, green, blue = (white + (blue - white) * share**0.7).astype(int)
    return {"count": count, "share": share, "back": f"#{red:02x}{green:02x}{blue:02x}", "dark": share > 0.38}


def surest_answers(cache: Cache) -> Facts:
    """The right and the wrong answers of which the network was surest, with all probabilities."""
    labels, probabilities = _test(cache)
    faces = cache.read("test_x")
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = confidence.argsort(kind="stable")[::-1]
    is_right = (predicted == labels)[order]
    groups = {"right": order[is_right][:SHOWN], "wrong": order[~is_right][:SHOWN]}

    def told(row: int) -> Facts:
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


def reliability(cache: Cache) -> list[Facts]:
    """Bins of confidence: how sure the network was on average there, how often it was right, on how many faces."""
    labels, probabilities = _test(cache)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [which == number for number in range(BINS)]
    return [
        {"confidence": confidence[inside].mean(), "accuracy": right[inside].mean(), "faces": inside.sum()}
        for inside in bins
        if inside.any()
    ]


def _test(cache: Cache) -> tuple[np.ndarray, np.ndarray]:
    predictions = cache.read("predictions")["test"]
    return predictions["labels"], predictions["probabilities"]
