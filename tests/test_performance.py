"""Step 9's figures against plain arithmetic."""

import runpy
from pathlib import Path

import numpy as np
import pytest

performance = runpy.run_path(
    str(Path(__file__).resolve().parent.parent / "Performance.py"), run_name="performance"
)


@pytest.fixture
def answers(rng):
    labels = rng.integers(0, 7, 500)
    probabilities = rng.dirichlet(np.ones(7) * 0.5, 500).astype(np.float32)
    return labels, probabilities


def test_calibration_error_by_hand():
    """Two faces at 80% of which one is right, two at 60% of which both are: (|1.6 - 1| + |1.2 - 2|) / 4."""
    probabilities = np.array([[0.8, 0.2], [0.2, 0.8], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 0, 0, 0])
    error = performance["expected_calibration_error"](labels, probabilities, bins=10)
    assert error == pytest.approx((0.6 + 0.8) / 4)


def test_calibration_error_against_a_loop(answers):
    labels, probabilities = answers
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = [
            (p.max(), p.argmax() == y)
            for p, y in zip(probabilities, labels, strict=True)
            if low <= p.max() < low + 1 / 15
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            expected += len(inside) / len(labels) * abs(confidence - right)
    assert performance["expected_calibration_error"](labels, probabilities, 15) == pytest.approx(
        expected, abs=1e-3
    )


def test_figures_against_plain_arithmetic(answers):
    labels, probabilities = answers
    figures = performance["measure"](labels, probabilities, 15)
    predicted = probabilities.argmax(axis=1)
    recalls, f1 = [], []
    for emotion in range(7):
        hit = np.sum((predicted == emotion) & (labels == emotion))
        recalls.append(hit / np.sum(labels == emotion))
        f1.append(2 * hit / (np.sum(labels == emotion) + np.sum(predicted == emotion)))
    top_two = np.mean([label in np.argsort(p)[-2:] for label, p in zip(labels, probabilities, strict=True)])
    assert figures["accuracy"] == pytest.approx(np.mean(predicted == labels))
    assert figures["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert figures["macro_f1"] == pytest.approx(np.mean(f1))
    assert figures["top_2_accuracy"] == pytest.approx(top_two)
    assert figures["loss"] == pytest.approx(-np.mean(np.log(probabilities[np.arange(500), labels])), rel=1e-4)


def test_interval_is_wilsons():
    """The textbook formula, for 8 of 10 right."""
    probabilities = np.zeros((10, 7), np.float32)
    probabilities[:, 0] = 1
    labels = np.array([0] * 8 + [1] * 2)
    low, high = performance["measure"](labels, probabilities, 15)["accuracy_95"]
    z, n, p = 1.959964, 10, 0.8
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert [low, high] == pytest.approx(
        [(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)], abs=1e-6
    )
