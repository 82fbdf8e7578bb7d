"""Suspect labels are found by out-of-fold predictions and by votes, and ranked by their margin."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.suspect_list import COLUMNS, compute_digest
from pipeline.data.votes import EMOTION_COLUMNS, VOTE_COLUMNS
from pipeline.evaluation.label_quality import (
    Suspects,
    compare_with_voters,
    describe_suspects,
    find_suspects,
    find_suspects_by_votes,
)

ANGRY, FEAR, HAPPY, SAD = 0, 2, 3, 4


def probabilities_of(*rows: dict[int, float]) -> np.ndarray:
    """Return a row of probabilities for each dict; the rest is spread over the other emotions."""
    result = np.empty((len(rows), 7), np.float32)
    for target, row in zip(result, rows, strict=True):
        target[:] = (1 - sum(row.values())) / (7 - len(row))
        target[list(row)] = list(row.values())
    return result


def votes_of(*rows: dict[int, int]) -> np.ndarray:
    votes = np.zeros((len(rows), len(VOTE_COLUMNS)), np.uint8)
    for target, row in zip(votes, rows, strict=True):
        for emotion, count in row.items():
            target[EMOTION_COLUMNS[EMOTIONS[emotion]]] = count
    return votes


def test_a_face_is_suspect_if_another_emotion_is_predicted_with_more_than_its_mean_confidence():
    typical = [{label: 0.7} for label in range(7)]
    labels = np.array([*range(7), ANGRY, ANGRY, ANGRY, FEAR, SAD], np.uint8)
    predictions = probabilities_of(
        *typical,
        {ANGRY: 0.2, HAPPY: 0.75},  # above the mean of Happy, which is 0.7
        {ANGRY: 0.05, SAD: 0.9},
        {ANGRY: 0.3, HAPPY: 0.65},  # the most probable one, but below the mean of Happy
        {ANGRY: 0.4, FEAR: 0.35},  # a mean of Angry of 0.33 is exceeded
        {SAD: 0.45, ANGRY: 0.35},  # likewise, but the label is more probable
    )
    suspects = find_suspects(labels, predictions)
    assert suspects.rows.tolist() == [8, 7, 10], "the lowest margin first"
    assert suspects.suggested.tolist() == [SAD, HAPPY, ANGRY]
    assert suspects.scores == pytest.approx([-0.85, -0.55, -0.05], abs=1e-6)


def test_changed_labels_are_found_although_the_network_prefers_a_frequent_emotion(rng):
    truth = rng.choice(7, 4000, p=[0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1])
    logits = rng.normal(0, 1, (4000, 7)) + 4 * np.eye(7)[truth]
    logits[:, HAPPY] += 2
    predictions = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = truth.copy()
    changed = rng.choice(4000, 200, replace=False)
    labels[changed] = (truth[changed] + rng.integers(1, 7, 200)) % 7
    suspects = find_suspects(labels, predictions)
    first = suspects.rows[:100]
    assert np.isin(first, changed).mean() >= 0.95 and np.isin(changed, suspects.rows).mean() > 0.6
    assert np.all(np.diff(suspects.scores) >= 0)
    assert (suspects.suggested[:100] == truth[first]).mean() >= 0.95


def test_votes_contradict_a_label_only_if_another_emotion_has_the_majority():
    labels = np.array([HAPPY, HAPPY, HAPPY, SAD, SAD, SAD], np.uint8)
    votes = votes_of({HAPPY: 10}, {HAPPY: 2, SAD: 8}, {HAPPY: 5, SAD: 5}, {}, {FEAR: 6, SAD: 4}, {FEAR: 4})
    votes[-1, VOTE_COLUMNS.index("NF")] = 6
    suspects = find_suspects_by_votes(labels, votes)
    assert suspects.rows.tolist() == [1, 4] and suspects.suggested.tolist() == [SAD, FEAR]
    assert suspects.scores == pytest.approx([-0.6, -0.2])


def test_precision_counts_the_faces_with_a_majority():
    labels = np.array([HAPPY, HAPPY, SAD, SAD], np.uint8)
    votes = votes_of({HAPPY: 10}, {SAD: 9, FEAR: 1}, {SAD: 5, FEAR: 5}, {FEAR: 8, SAD: 2})
    assert compare_with_voters(np.array([1, 2]), labels, votes) == {
        "listed": 1.0,
        "all": pytest.approx(2 / 3),
    }
    assert compare_with_voters(np.array([2]), labels, votes) is None
    assert compare_with_voters(np.array([1]), labels, votes[:0]) is None


def test_a_suspect_is_described_with_what_network_and_voters_say(small_table):
    faces = {name: column[:3] for name, column in small_table.items()}
    faces["emotion"] = np.array([ANGRY, HAPPY, SAD], np.uint8)
    faces["origin"] = np.array(["1", "2", "3"])
    suspects = Suspects(np.array([2, 0]), np.array([FEAR, HAPPY]), np.array([-0.4, -0.1]))
    predictions = probabilities_of({}, {}, {SAD: 0.3, FEAR: 0.7})
    votes = votes_of({HAPPY: 5, SAD: 5}, {}, {FEAR: 6, SAD: 2, HAPPY: 2})
    first, second = describe_suspects(suspects, 5, faces, predictions, votes)
    assert set(first) == set(COLUMNS)
    assert (first["origin"], first["digest"]) == ("3", compute_digest(faces["pixels"][2]))
    assert (first["label"], first["suggested"], first["score"]) == ("Sad", "Fear", -0.4)
    assert (first["label_probability"], first["suggested_probability"]) == (0.3, 0.7)
    assert (first["voters_majority"], first["voters_share"]) == ("Fear", 0.6)
    assert second["voters_majority"] == "", "a tie"
    assert len(describe_suspects(suspects, 1, faces, predictions, votes)) == 1
    assert first["split"] in ("train", "validation", "test") and second["suggested"] in EMOTIONS
