"""The verdict of the report, from numbers made up for each case."""

import numpy as np
import pytest

from pipeline.evaluation.metrics import Predictions
from pipeline.reporting import verdict


def make_history(val_loss, val_accuracy, loss=None) -> verdict.History:
    n = len(val_loss)
    return {
        "loss": loss or np.linspace(2, 0.5, n).tolist(),
        "accuracy": np.linspace(0.2, 0.9, n).tolist(),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
    }


OVERFITTED = make_history([1.8, 1.5, 1.4, 1.6, 2.1], [0.3, 0.4, 0.45, 0.44, 0.43])
SHORT = make_history([1.8, 1.5, 1.4], [0.3, 0.4, 0.45])
FLAT = make_history([1.8, 1.4] + [1.41] * 18, [0.3, 0.5] + [0.49] * 18)


def predict(labels, predicted, confidence=0.9) -> Predictions:
    probabilities = np.full((len(labels), 7), (1 - confidence) / 6)
    probabilities[np.arange(len(labels)), predicted] = confidence
    return Predictions(np.array(labels), probabilities)


def test_overfitting_starts_after_the_lowest_validation_loss():
    finding = verdict.judge_fit(OVERFITTED, "last")
    assert finding["overfits"] and not finding["is_fine"]
    assert "from epoch 4" in finding["text"] and "50%" in finding["text"] and "of epoch 5" in finding["text"]
    assert "of epoch 3" in verdict.judge_fit(OVERFITTED, "best")["text"]


def test_a_rise_of_the_validation_loss_while_the_training_loss_rises_is_no_overfitting():
    history = make_history([1.4, 1.4, 2.0], [0.3, 0.3, 0.2], loss=[1.0, 1.0, 1.5])
    assert "overfits" not in verdict.judge_fit(history, "last")


def test_a_training_that_still_improves_was_too_short_and_a_flat_one_was_not():
    assert verdict.judge_fit(SHORT, "last")["is_short"]
    flat = verdict.judge_fit(FLAT, "last")
    assert flat["is_fine"] and "50.0%" in flat["text"]


def test_one_epoch_is_too_short():
    assert verdict.judge_fit(make_history([1.8], [0.3]), "last")["is_short"]


@pytest.mark.parametrize(
    ("n_correct", "error", "word"),
    [
        (90, 0.0, "calibrated:"),
        (50, 0.4, "overconfident"),
        (100, 0.1, "underconfident"),
        (90, 0.2, "not calibrated"),
    ],
)
def test_confidence_is_compared_with_accuracy(n_correct, error, word):
    predictions = predict([0] * 100, [0] * n_correct + [1] * (100 - n_correct))
    finding = verdict.judge_calibration(predictions, error)
    assert finding["text"].startswith(word) and finding["is_fine"] == (error == 0)


def test_the_weakest_emotion_has_the_lowest_recall_of_those_with_faces():
    labels, predicted = [3] * 10 + [2] * 10, [3] * 9 + [0] + [2] * 2 + [4] * 6 + [0] * 2
    finding = verdict.judge_weakest(predict(labels, predicted))
    assert finding["text"].startswith("Fear") and "20% of 10 faces" in finding["text"]
    assert "60% are taken for Sad" in finding["text"] and not finding["is_fine"]


def test_accuracy_is_compared_with_the_most_frequent_emotion():
    constant = predict([3] * 60 + [0] * 40, [3] * 100)
    finding = verdict.judge_accuracy(constant)
    assert not finding["is_fine"] and "60.0% that always predicting Happy" in finding["text"]
    assert verdict.judge_accuracy(predict([3] * 60 + [0] * 40, [3] * 60 + [0] * 40))["is_fine"]


def suggest(history, training, arguments=(), network="Compact", error=0.0) -> list[str]:
    metrics = {
        "network": {"name": network},
        "training": {"keep": training.get("keep", "last")},
        "settings": {"training": training},
        "splits": {"test": {"expected_calibration_error": error}},
    }
    labels = [0, 1, 2, 3, 4, 5, 6] * 10
    result = verdict.build_verdict(metrics, history, predict(labels, labels), list(arguments))
    return [suggestion["command"] for suggestion in result["suggestions"]]


def test_suggestions_follow_from_the_findings():
    first, second = suggest(OVERFITTED, {"keep": "last"}, ["--epochs", "5"])
    assert first == "python3 Compiling_model.py --recipe residual"
    assert second == "python3 Compiling_model.py --epochs 5 --keep best"
    assert suggest(SHORT, {}, ["--epochs", "3", "--seed", "2"]) == [
        "python3 Compiling_model.py --seed 2 --epochs 6"
    ]
    assert suggest(FLAT, {}, error=0.3) == ["python3 Compiling_model.py --calibrate"]


def test_what_was_done_already_is_not_suggested():
    assert suggest(OVERFITTED, {"keep": "best", "flip": True}) == []
    assert suggest(FLAT, {"calibrate": True}, error=0.3) == []


def test_a_larger_network_is_suggested_for_lenet_5_only():
    assert "Compact_model.py" in suggest(FLAT, {}, network="LeNet-5")[-1]
    assert suggest(FLAT, {}) == []
