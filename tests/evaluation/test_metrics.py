"""Check the metrics against cases computed by hand, plain loops and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from pipeline.data.fer2013 import EMOTIONS
from pipeline.evaluation.metrics import (
    Predictions,
    accuracy_interval,
    confusion_counts,
    confusion_shares,
    evaluate,
    evaluate_accuracy,
    expected_calibration_error,
    reliability_bins,
)

N_FACES = 500
N_BINS = 15


@pytest.fixture
def predictions(rng) -> Predictions:
    probabilities = rng.dirichlet(np.ones(7) * 0.5, N_FACES).astype(np.float32)
    return Predictions(rng.integers(0, 7, N_FACES), probabilities)


def predict_class(label: int, predicted: int, confidence: float) -> tuple[int, np.ndarray]:
    """Return a label and probabilities whose largest is `confidence`, for the class `predicted`."""
    probabilities = np.full(7, (1 - confidence) / 6)
    probabilities[predicted] = confidence
    return label, probabilities


def stack(*rows: tuple[int, np.ndarray]) -> Predictions:
    labels, probabilities = zip(*rows, strict=True)
    return Predictions(np.array(labels), np.array(probabilities))


def test_predictions_give_class_confidence_and_correctness():
    predictions = stack(predict_class(0, 0, 0.9), predict_class(3, 5, 0.4))
    assert predictions.predicted.tolist() == [0, 5]
    assert predictions.correct.tolist() == [True, False]
    assert predictions.confidence.tolist() == [0.9, 0.4]
    assert len(predictions) == 2


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        (np.zeros((3, 7), int), np.zeros((3, 7))),
        (np.zeros(3, int), np.zeros((4, 7))),
        (np.zeros(3, int), np.zeros((3, 6))),
        (np.zeros(3), np.zeros((3, 7))),
    ],
    ids=["one-hot labels", "different lengths", "six classes", "float labels"],
)
def test_predictions_of_a_wrong_shape_or_type_are_rejected(labels, probabilities):
    with pytest.raises(ValueError, match="abels"):
        Predictions(labels, probabilities)


def test_calibration_error_of_four_faces_by_hand():
    """Two faces at 80%, of which one is correct, two at 60%, of which both are: (|1.6 - 1| + |1.2 - 2|) / 4."""
    predictions = stack(
        predict_class(0, 0, 0.8), predict_class(0, 1, 0.8), predict_class(0, 0, 0.6), predict_class(0, 0, 0.6)
    )
    assert expected_calibration_error(predictions, n_bins=10) == pytest.approx((0.6 + 0.8) / 4)


def test_calibration_error_matches_a_loop_over_the_bins(predictions):
    expected = 0.0
    for low in np.arange(N_BINS) / N_BINS:
        inside = (predictions.confidence >= low) & (predictions.confidence < low + 1 / N_BINS)
        if inside.any():
            gap = abs(predictions.confidence[inside].mean() - predictions.correct[inside].mean())
            expected += inside.mean() * gap
    assert expected_calibration_error(predictions, N_BINS) == pytest.approx(expected, abs=1e-3)


def test_reliability_bins_by_hand():
    predictions = stack(predict_class(0, 0, 0.75), predict_class(0, 1, 0.70), predict_class(0, 0, 1.0))
    low, high = reliability_bins(predictions, n_bins=4)  # the lower two of four bins are empty
    assert (low["faces"], high["faces"]) == (1, 2)
    assert (low["confidence"], low["accuracy"]) == (pytest.approx(0.70), 0.0)
    assert (high["confidence"], high["accuracy"]) == (pytest.approx(0.875), 1.0)


def test_reliability_bins_hold_every_face_once(predictions):
    bins = reliability_bins(predictions, 10)
    assert sum(b["faces"] for b in bins) == N_FACES
    assert sum(b["faces"] * b["accuracy"] for b in bins) == pytest.approx(predictions.correct.sum())


def test_confusion_counts_match_a_loop(predictions):
    expected = np.zeros((7, 7), int)
    for label, predicted in zip(predictions.labels, predictions.predicted, strict=True):
        expected[label, predicted] += 1
    assert np.array_equal(confusion_counts(predictions), expected)
    shares = expected / expected.sum(axis=1, keepdims=True)
    assert confusion_shares(predictions) == pytest.approx(shares)


def test_an_emotion_without_faces_has_a_row_of_zeros():
    predictions = stack(predict_class(0, 2, 0.5))
    shares = confusion_shares(predictions)
    assert shares.shape == (7, 7) and shares[0, 2] == 1 and shares.sum() == 1


def test_evaluate_matches_scikit_learn_and_plain_arithmetic(predictions):
    metrics = evaluate(predictions, N_BINS)
    labels, predicted, probabilities = predictions.labels, predictions.predicted, predictions.probabilities
    n_correct = int(np.sum(labels == predicted))
    in_top_2 = [label in row.argsort()[-2:] for label, row in zip(labels, probabilities, strict=True)]
    likelihood = probabilities[np.arange(N_FACES), labels]
    assert metrics["faces"] == N_FACES
    assert metrics["accuracy"] == n_correct / N_FACES
    assert metrics["accuracy_ci95"] == list(accuracy_interval(n_correct, N_FACES))
    assert metrics["loss"] == pytest.approx(-np.mean(np.log(likelihood)), rel=1e-4)
    assert metrics["mean_recall"] == pytest.approx(reference.recall_score(labels, predicted, average="macro"))
    assert metrics["macro_f1"] == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    assert metrics["top_2_accuracy"] == pytest.approx(np.mean(in_top_2))
    assert metrics["expected_calibration_error"] == expected_calibration_error(predictions, N_BINS)
    assert list(metrics["recall"]) == list(EMOTIONS)
    counts = confusion_counts(predictions)
    assert list(metrics["recall"].values()) == pytest.approx(counts.diagonal() / counts.sum(axis=1))


def test_accuracy_of_selected_faces():
    predictions = stack(predict_class(0, 0, 0.9), predict_class(1, 2, 0.8), predict_class(3, 3, 0.7))
    selected = np.array([True, True, False])
    expected = {"faces": 2, "accuracy": 0.5, "accuracy_ci95": list(accuracy_interval(1, 2))}
    assert evaluate_accuracy(predictions, selected) == expected
    nothing = evaluate_accuracy(predictions, np.zeros(3, bool))
    assert nothing == {"faces": 0, "accuracy": None, "accuracy_ci95": None}


def test_labels_of_bytes_give_the_same_metrics(predictions):
    as_bytes = Predictions(predictions.labels.astype(np.uint8), predictions.probabilities)
    assert evaluate(as_bytes, N_BINS) == evaluate(predictions, N_BINS)


def test_interval_is_wilsons_score_interval():
    """The textbook formula, for 8 correct of 10."""
    z, n, p = 1.959964, 10, 0.8
    center, margin = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [(center - margin) / (1 + z * z / n), (center + margin) / (1 + z * z / n)]
    assert accuracy_interval(8, 10) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n_correct", [0, 20])
def test_interval_stays_within_0_and_1(n_correct):
    low, high = accuracy_interval(n_correct, 20)
    assert 0 <= low < high <= 1


@pytest.mark.parametrize("emotions", [("Happy", "Sad"), ("A", "B", "C", "D", "E"), (*EMOTIONS, "Contempt")])
def test_other_emotions_are_measured_by_their_names(emotions):
    labels = np.arange(len(emotions)).repeat(4)
    predicted = np.where(
        np.arange(len(labels)) % 4, labels, 0
    )  # right on all of the first, 3 of 4 of the others
    predictions = Predictions(labels, np.eye(len(emotions))[predicted], emotions)
    recall = evaluate(predictions, 10)["recall"]
    assert recall == dict(zip(emotions, [1.0] + [0.75] * (len(emotions) - 1), strict=True))
    assert confusion_counts(predictions).shape == (len(emotions),) * 2
    with pytest.raises(ValueError, match="do not match"):
        Predictions(labels, np.eye(len(emotions))[predicted], emotions[:-1])
