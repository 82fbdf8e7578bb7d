"""Build the figures of the report: embedded images, the confusion matrix, examples, and the reliability diagram."""

import base64
import io
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.fer2013 import SIDE
from pipeline.data.pixels import to_uint8
from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import Predictions
from pipeline.figures.palette import needs_white_text
from pipeline.reporting import charts
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.results_index import check_network
from pipeline.workflow.steps import RESULTS

MAX_EXAMPLES = 6  # faces per group: most confident correct predictions, most confident errors
MAX_CELL_FACES = 12  # faces to show of a cell of the confusion matrix
SHEET_COLUMNS = 24  # faces in a row of the image that has them all
THUMBNAIL_SIDE = 32  # pixels, of the faces of the embedding, of which there may be thousands
JPEG_QUALITY = 75
RELIABILITY_BINS = 10
MIN_RADIUS, MAX_RADIUS = 3, 10  # of the points of the reliability diagram
LOW_COLOR, HIGH_COLOR = np.array([255, 255, 255]), np.array([8, 48, 107])  # RGB at shares 0 and 1
COLOR_GAMMA = 0.7  # makes differences between small shares visible


def embed_image(name: str) -> str:
    """Return a PNG file in results/ as a data URI, so that the page needs no other file."""
    return _to_data_uri((RESULTS / name).read_bytes())


def build_learning_curves(store: ArtifactStore) -> list[charts.Chart]:
    """Return the charts of accuracy and loss, with the epoch of the best validation accuracy marked."""
    history = store.read("history")
    best = int(np.argmax(history["val_accuracy"])) + 1
    return [
        charts.line_chart(
            title,
            {"train": history[metric], "validation": history[f"val_{metric}"]},
            format_value,
            mark=(best, f"best validation accuracy: epoch {best}"),
            limits=limits,
        )
        for title, metric, format_value, limits in (
            ("Accuracy", "accuracy", "{:.1%}".format, charts.SHARES),
            ("Loss", "loss", "{:.3g}".format, charts.UNLIMITED),
        )
    ]


def build_confusion(store: ArtifactStore) -> dict[str, Any]:
    """Return the confusion matrix and the most confident faces of each of its cells.

    Returns:
        "rows": one per true emotion, with a cell per predicted one: count, share, and colors. "sheet": the faces as one
        image, SHEET_COLUMNS in a row. "faces": "<true>-<predicted>" -> [[number in the sheet, confidence], ...].
    """
    predictions = read_test_predictions(store)
    selected = select_cell_faces(predictions)
    numbers = iter(range(sum(map(len, selected.values()))))
    rows = [row for cell in selected.values() for row in cell]
    return {
        "rows": build_confusion_rows(predictions),
        "sheet": build_sheet(store.read("test_x")[rows]),
        "columns": SHEET_COLUMNS,
        "faces": {
            cell: [[next(numbers), round(float(predictions.confidence[row]), 3)] for row in rows]
            for cell, rows in selected.items()
        },
    }


def select_cell_faces(predictions: Predictions) -> dict[str, list[int]]:
    """Return the rows of the most confident faces of each cell that is not empty, by "<true>-<predicted>"."""
    cells: dict[str, list[int]] = {}
    for row in predictions.confidence.argsort(kind="stable")[::-1].tolist():
        cell = cells.setdefault(f"{predictions.labels[row]}-{predictions.predicted[row]}", [])
        if len(cell) < MAX_CELL_FACES:
            cell.append(row)
    return cells


def build_sheet(faces: np.ndarray, shown_side: int = SIDE) -> str:
    """Return faces (N, 48, 48, 1), float32 in [0, 1], side by side as the data URI of one JPEG, in another size."""
    n_rows = max(1, -(-len(faces) // SHEET_COLUMNS))
    side = faces.shape[1]
    tiles = np.zeros((n_rows * SHEET_COLUMNS, side, side), np.uint8)
    tiles[: len(faces)] = to_uint8(faces[..., 0])
    sheet = tiles.reshape(n_rows, SHEET_COLUMNS, side, side).swapaxes(1, 2)
    image = Image.fromarray(sheet.reshape(n_rows * side, SHEET_COLUMNS * side))
    image = image.resize((SHEET_COLUMNS * shown_side, n_rows * shown_side), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "jpeg", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def build_confusion_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return a row per true emotion, with a cell per predicted one: count, share, and colors."""
    counts, shares = metrics.confusion_counts(predictions), metrics.confusion_shares(predictions)
    return [
        {
            "emotion": emotion,
            "cells": [_build_cell(int(count), float(share)) for count, share in zip(*row, strict=True)],
        }
        for emotion, *row in zip(predictions.emotions, counts, shares, strict=True)
    ]


def _build_cell(count: int, share: float) -> dict[str, Any]:
    red, green, blue = (LOW_COLOR + (HIGH_COLOR - LOW_COLOR) * share**COLOR_GAMMA).astype(int).tolist()
    return {
        "count": count,
        "share": share,
        "background": f"#{red:02x}{green:02x}{blue:02x}",
        "is_dark": needs_white_text((red, green, blue)),
    }


def select_examples(store: ArtifactStore) -> dict[str, list[dict[str, Any]]]:
    """Return the most confident correct predictions and the most confident errors on test."""
    predictions, faces = read_test_predictions(store), store.read("test_x")
    order = predictions.confidence.argsort(kind="stable")[::-1]
    correct = predictions.correct[order]
    groups = {
        "Correct": order[correct],
        "Errors": order[~correct],
    }
    return {
        heading: [_build_example(predictions, row, faces[row]) for row in rows[:MAX_EXAMPLES]]
        for heading, rows in groups.items()
    }


def build_suspects(store: ArtifactStore) -> dict[str, Any] | None:
    """Return what Find_Suspect_Labels.py found, each of the first rows with its face; None if it has not run."""
    if not store.has("suspects"):
        return None
    suspects = store.read("suspects")
    faces = [_embed_face(pixels) for pixels in suspects["pixels"]]
    rows = [facts | {"face": face} for facts, face in zip(suspects["rows"], faces, strict=True)]
    return suspects | {"rows": rows}


def build_features(store: ArtifactStore) -> dict[str, Any] | None:
    """Return the figures of Visualize_Features.py and the points of its embedding; None if it has not run.

    Returns:
        "points": one list per emotion of x, y, text, and place of the thumbnail in "sheet". "filters", "feature_maps":
            data URIs, if the network has them. "network", "emotions", "faces", "test_faces".
    """
    if not store.has("embedding"):
        return None
    embedding = store.read("embedding")
    rows, positions = embedding["rows"], charts.fit_positions(embedding["positions"])
    emotions = embedding["emotions"]
    points: list[list[dict[str, Any]]] = [[] for _ in emotions]
    for number, (x, y) in enumerate(positions.tolist()):
        label, predicted = int(embedding["labels"][number]), int(embedding["predicted"][number])
        confidence = float(embedding["confidence"][number])
        text = f"{emotions[label]}, predicted as {emotions[predicted]}, {confidence:.0%}"
        thumbnail = (THUMBNAIL_SIDE * (number % SHEET_COLUMNS), THUMBNAIL_SIDE * (number // SHEET_COLUMNS))
        is_wrong = label != predicted
        points[label].append({"x": x, "y": y, "text": text, "thumbnail": thumbnail, "is_wrong": is_wrong})
    images = {}
    for name in ("filters", "feature_maps"):
        with suppress(FileNotFoundError, ValueError):  # a network without convolutions; an earlier network's
            check_network(store, f"{name}.png")
            images[name] = embed_image(f"{name}.png")
    sheet = build_sheet(store.read("test_x")[rows], THUMBNAIL_SIDE)
    facts = {
        "network": embedding["network"],
        "emotions": emotions,
        "faces": len(rows),
        "test_faces": embedding["test_faces"],
    }
    return facts | images | {"points": points, "sheet": sheet}


def _build_example(predictions: Predictions, row: int, face: np.ndarray) -> dict[str, Any]:
    return {
        "face": _embed_face(to_uint8(face.squeeze())),
        "label": predictions.emotions[predictions.labels[row]],
        "predicted": predictions.emotions[predictions.predicted[row]],
        "probabilities": predictions.probabilities[row].tolist(),
    }


def build_reliability_bins(store: ArtifactStore) -> list[dict[str, Any]]:
    """Return the points of the reliability diagram on test, with the 95% interval of their accuracy and their size."""
    bins = metrics.reliability_bins(read_test_predictions(store), RELIABILITY_BINS)
    largest = max(b["faces"] for b in bins)
    for b in bins:
        b["low"], b["high"] = metrics.accuracy_interval(round(b["accuracy"] * b["faces"]), b["faces"])
        b["radius"] = MIN_RADIUS + (MAX_RADIUS - MIN_RADIUS) * (b["faces"] / largest) ** 0.5
    return bins


def read_test_predictions(store: ArtifactStore) -> Predictions:
    return Predictions(**store.read("predictions")["test"])


def _embed_face(pixels: np.ndarray) -> str:
    """Return a face (48, 48) uint8 as a data URI."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return _to_data_uri(file.getvalue())


def _to_data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
