"""Targets for training, and the ground truth that predictions are compared with."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.targets import build_targets, collect_ground_truth

ANGRY, HAPPY, NEUTRAL = (EMOTIONS.index(name) for name in ("Angry", "Happy", "Neutral"))
# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
VOTES = np.array([[6, 0, 0, 0, 2, 0, 0, 2, 0, 0], [0, 4, 0, 0, 0, 0, 0, 0, 0, 6]], np.uint8)
EMOTION = np.array([ANGRY, HAPPY], np.uint8)


def one_hot(label: int) -> np.ndarray:
    return np.eye(len(EMOTIONS), dtype=np.float32)[label]


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("label", one_hot(ANGRY)),
        ("votes", 0.75 * one_hot(NEUTRAL) + 0.25 * one_hot(ANGRY)),
        ("both", 0.375 * one_hot(NEUTRAL) + 0.625 * one_hot(ANGRY)),
    ],
)
def test_targets_of_each_kind(kind, first):
    targets = build_targets(EMOTION, VOTES, kind, min_votes=5)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets[0], first)
    np.testing.assert_allclose(targets[1], one_hot(HAPPY))  # too few votes, so the label


def test_labels_need_no_votes():
    assert build_targets(EMOTION, np.zeros((0, 10), np.uint8), "label", 5).argmax(axis=1).tolist() == [
        ANGRY,
        HAPPY,
    ]


def test_ground_truth_has_label_majority_and_whether_the_image_is_trained_on():
    table = {
        "emotion": EMOTION,
        "pixels": np.arange(2 * 48 * 48, dtype=np.uint16).reshape(2, 48, 48).astype(np.uint8),
    }
    table["pixels"][1, 0, 0] = 255
    truth = collect_ground_truth(table, VOTES, {table["pixels"][1].tobytes()})
    assert truth["label"].tolist() == [ANGRY, HAPPY]
    assert truth["majority"].tolist() == [NEUTRAL, -1]
    assert truth["in_training"].tolist() == [False, True]
    assert len(collect_ground_truth(table, VOTES[:0], set())["majority"]) == 0


@pytest.mark.parametrize("emotions", [("Wut", "Freude"), EMOTIONS[:5], (*EMOTIONS, "Contempt", "Bored")])
def test_other_emotions_need_no_votes(emotions):
    label, no_votes = np.arange(len(emotions), dtype=np.uint8), np.zeros((0, 10), np.uint8)
    targets = build_targets(label, no_votes, "label", 5, emotions)
    np.testing.assert_array_equal(targets, np.eye(len(emotions)))
    table = {"emotion": label, "pixels": np.zeros((len(label), 48, 48), np.uint8)}
    truth = collect_ground_truth(table, no_votes, set(), emotions)
    assert truth["majority"].shape == (0,) and truth["label"] is label
