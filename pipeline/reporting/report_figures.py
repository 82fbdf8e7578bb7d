"""Build the figures of the report: embedded images, the confusion matrix, examples, and the reliability diagram."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.pixels import to_uint8
from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import Predictions
from pipeline.figures.palette import needs_white_text
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import RESULTS

MAX_EXAMPLES = 6  # faces per group: most confident correct predictions, most confident errors
RELIABILITY_BINS = 10
LOW_COLOR, HIGH_COLOR = np.array([255, 255, 255]), np.array([8, 48, 107])  # RGB at shares 0 and 1
COLOR_GAMMA = 0.7  # makes differences between small shares visible


def embed_image(name: str) -> str:
    """Return a PNG file in results/ as a data URI, so that the page needs no other file."""
    return _to_data_uri((RESULTS / name).read_bytes())


def build_confusion_rows(store: ArtifactStore) -> list[dict[str, Any]]:
    """Return a row per true emotion, with a cell per predicted one: count, share, and colors."""
    predictions = read_test_predictions(store)
    counts, shares = metrics.confusion_counts(predictions), metrics.confusion_shares(predictions)
    return [
        {
            "emotion": emotion,
            "cells": [_build_cell(int(count), float(share)) for count, share in zip(*row, strict=True)],
        }
        for emotion, *row in zip(EMOTIONS, counts, shares, strict=True)
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


def _build_example(predictions: Predictions, row: int, face: np.ndarray) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(to_uint8(face.squeeze())).save(file, "png")
    return {
        "face": _to_data_uri(file.getvalue()),
        "label": EMOTIONS[predictions.labels[row]],
        "predicted": EMOTIONS[predictions.predicted[row]],
        "probabilities": predictions.probabilities[row].tolist(),
    }


def build_reliability_bins(store: ArtifactStore) -> list[dict[str, Any]]:
    """Return the points of the reliability diagram on test."""
    return metrics.reliability_bins(read_test_predictions(store), RELIABILITY_BINS)


def read_test_predictions(store: ArtifactStore) -> Predictions:
    return Predictions(**store.read("predictions")["test"])


def _to_data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
