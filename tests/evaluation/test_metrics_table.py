"""The table of metrics is narrow and in percent; poor calibration is named with its direction and a remedy."""

import numpy as np
import pytest
from sklearn.metrics import classification_report

from pipeline.evaluation.metrics import Predictions, evaluate
from pipeline.evaluation.metrics_table import format_emotions, format_table, remark_on_calibration


def make_predictions(n: int, accuracy: float, confidence: float) -> Predictions:
    """Return predictions with that accuracy and that confidence in each."""
    labels = np.arange(n) % 7
    predicted = np.where(np.arange(n) < accuracy * n, labels, (labels + 1) % 7)
    probabilities = np.full((n, 7), (1 - confidence) / 6, np.float32)
    probabilities[np.arange(n), predicted] = confidence
    return Predictions(labels, probabilities)


def test_the_table_is_in_percent_and_narrow():
    splits = {
        "train": evaluate(make_predictions(28_709, 1.0, 0.999), 15),
        "validation": evaluate(make_predictions(3_589, 0.5, 0.7), 15),
    }
    lines = format_table(splits).splitlines()
    assert len({len(line) for line in lines}) == 1 and len(lines[0]) <= 98
    validation = lines[2].split()
    assert validation[:4] == ["validation", "3,589", "50.01", "48.38"] and validation[5] == "51.65"
    assert float(validation[-2]) == pytest.approx(20.0, abs=0.1)


def test_each_emotion_and_their_mean_are_in_percent():
    report = classification_report(
        [0, 0, 1, 1], [0, 1, 1, 1], target_names=["Angry", "Sad"], output_dict=True
    )
    rows = [line.split() for line in format_emotions(report).splitlines()[1:]]
    assert rows == [
        ["Angry", "100.0", "50.0", "66.7", "2"],
        ["Sad", "66.7", "100.0", "80.0", "2"],
        ["mean", "83.3", "75.0", "73.3", "4"],
    ]


@pytest.mark.parametrize(
    ("confidence", "words"), [(0.9, "too high"), (0.7, "too high"), (0.5, "too low"), (0.65, ""), (0.55, "")]
)
def test_poor_calibration_is_named_with_its_direction(confidence, words):
    remark = remark_on_calibration(evaluate(make_predictions(700, 0.6, confidence), 15))
    assert words in remark and bool(remark) == bool(words) and ("--calibrate" in remark) == bool(words)
