"""Measure a classifier's predictions: accuracy with its interval, calibration, and figures per emotion."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    recall_score,
    top_k_accuracy_score,
)

from pipeline.data.fer2013 import EMOTIONS, Emotions


@dataclass(frozen=True, eq=False)
class Predictions:
    """The true labels of N faces and the probabilities that a classifier assigned.

    Args:
        labels: (N,) integers, indices into `emotions`.
        probabilities: (N, K) floats in [0, 1]; each row sums to 1.
        emotions: The names of the K emotions.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    emotions: Emotions = EMOTIONS

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.probabilities.shape != (
            len(self.labels),
            len(self.emotions),
        ):
            raise ValueError(
                f"Labels of shape {self.labels.shape} do not match probabilities of shape"
                f" {self.probabilities.shape}: expected (N,) and (N, {len(self.emotions)})."
            )
        if not np.issubdtype(self.labels.dtype, np.integer):
            raise ValueError(f"Labels are {self.labels.dtype}, but must be integers.")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> np.ndarray:
        """All labels, (K,) integers."""
        return np.arange(len(self.emotions))

    @cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class of each face, (N,) integers."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether the predicted class is the label, (N,) bool."""
        return self.predicted == self.labels

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted class, (N,)."""
        return self.probabilities.max(axis=1)


def evaluate(predictions: Predictions, n_bins: int) -> dict[str, Any]:
    """Return all metrics of one split, by name; `n_bins` is that of the expected calibration error."""
    labels, predicted, classes = predictions.labels, predictions.predicted, predictions.classes
    n_correct = int(predictions.correct.sum())
    recall = recall_score(labels, predicted, labels=classes, average=None, zero_division=0)
    return {
        "faces": len(predictions),
        "accuracy": n_correct / len(predictions),
        "accuracy_ci95": list(accuracy_interval(n_correct, len(predictions))),
        "mean_confidence": float(predictions.confidence.mean()),
        "loss": cross_entropy(predictions),
        "mean_recall": float(balanced_accuracy_score(labels, predicted)),
        "recall": dict(zip(predictions.emotions, recall.tolist(), strict=True)),
        "macro_f1": float(f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)),
        "top_2_accuracy": top_2_accuracy(predictions),
        "expected_calibration_error": expected_calibration_error(predictions, n_bins),
    }


def evaluate_accuracy(predictions: Predictions, selected: np.ndarray) -> dict[str, Any]:
    """Return number, accuracy and its interval of the faces that `selected`, (N,) bool, chooses; none may be."""
    n, n_correct = int(selected.sum()), int(predictions.correct[selected].sum())
    if not n:
        return {"faces": 0, "accuracy": None, "accuracy_ci95": None}
    return {"faces": n, "accuracy": n_correct / n, "accuracy_ci95": list(accuracy_interval(n_correct, n))}


def accuracy_interval(n_correct: int, n: int) -> tuple[float, float]:
    """Return the 95% confidence interval of an accuracy, by Wilson's score (1927).

    Unlike the normal approximation it stays within [0, 1] and holds for small n.
    """
    from scipy.stats import binomtest  # here: importing it takes seconds, and the report does not need it

    interval = binomtest(n_correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def top_2_accuracy(predictions: Predictions) -> float:
    """Return the share of the faces whose label is among the two most probable emotions."""
    if len(predictions.emotions) == 2:  # for which scikit-learn expects one score
        return 1.0
    return float(
        top_k_accuracy_score(predictions.labels, predictions.probabilities, k=2, labels=predictions.classes)
    )


def cross_entropy(predictions: Predictions) -> float:
    """Return the mean negative log-likelihood of the labels, in nats."""
    probabilities = predictions.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(
        axis=1, keepdims=True
    )  # float32 rows miss 1 by more than sklearn accepts
    return float(log_loss(predictions.labels, probabilities, labels=predictions.classes))


def expected_calibration_error(predictions: Predictions, n_bins: int) -> float:
    """Return the mean gap between confidence and accuracy over equal-width bins, weighted by their faces.

    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    gaps = (b["faces"] * abs(b["accuracy"] - b["confidence"]) for b in reliability_bins(predictions, n_bins))
    return sum(gaps) / len(predictions)


def reliability_bins(predictions: Predictions, n_bins: int) -> list[dict[str, Any]]:
    """Group the predictions into bins of confidence of equal width; empty bins are left out.

    Returns:
        For each bin its mean `confidence`, its `accuracy` and its number of `faces`.
    """
    bins = np.minimum((predictions.confidence * n_bins).astype(int), n_bins - 1)
    faces = np.bincount(bins, minlength=n_bins)
    confidence = np.bincount(bins, predictions.confidence, n_bins)
    correct = np.bincount(bins, predictions.correct, n_bins)
    return [
        {
            "confidence": float(confidence[i] / faces[i]),
            "accuracy": float(correct[i] / faces[i]),
            "faces": int(faces[i]),
        }
        for i in np.flatnonzero(faces)
    ]


def confusion_counts(predictions: Predictions) -> np.ndarray:
    """Return the confusion matrix (K, K): number of faces by true emotion (row) and predicted (column)."""
    return confusion_matrix(predictions.labels, predictions.predicted, labels=predictions.classes)


def confusion_shares(predictions: Predictions) -> np.ndarray:
    """Return the confusion matrix (K, K) with each row divided by its sum; zeros for an emotion without faces."""
    return confusion_matrix(
        predictions.labels, predictions.predicted, labels=predictions.classes, normalize="true"
    )
