"""Rank the labels of a data set by how likely they are wrong.

By a network: confident learning (C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident Learning: Estimating
Uncertainty in Dataset Labels", JAIR 2021, https://arxiv.org/abs/1911.00068) on out-of-fold predictions. The authors'
package `cleanlab` (2.9.0, Apache-2.0, filter_by="confident_learning") finds the same faces in the same order; these few
lines of NumPy spare its installation. By FER+: the voters' majority is another emotion.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, SPLITS, Emotions, Table
from pipeline.data.suspect_list import compute_digest
from pipeline.data.votes import NO_MAJORITY, majority, vote_distribution


@dataclass(frozen=True, eq=False)
class Suspects:
    """Faces whose labels are suspect, the most suspect first.

    Args:
        rows: (M,) integers, which of the N faces.
        suggested: (M,) integers, the index of another emotion than the label.
        scores: (M,) normalized margins, the probability (or share of the votes) of the label minus the highest one of
            another emotion: from -1, the label is certainly wrong, to 1.
    """

    rows: np.ndarray
    suggested: np.ndarray
    scores: np.ndarray


def find_suspects(labels: np.ndarray, probabilities: np.ndarray) -> Suspects:
    """Find the labels that out-of-fold predictions contradict with confidence.

    An emotion is predicted with confidence if its probability is at least the mean of that probability over the faces
    with this label. A label is suspect if another emotion is the most probable one among those, and more probable than
    the label. The thresholds make up for a network that is too confident, or that prefers the frequent emotions.

    Args:
        labels: (N,) integers from 0 to K - 1; each occurs.
        probabilities: (N, K) predictions of networks that were not trained on the face.
    """
    thresholds = [probabilities[labels == label, label].mean() for label in range(probabilities.shape[1])]
    confident = np.where(probabilities >= thresholds, probabilities, -np.inf)
    predicted = np.where(np.isfinite(confident).any(axis=1), confident.argmax(axis=1), labels)
    return _rank(labels, probabilities, predicted)


def find_suspects_by_votes(labels: np.ndarray, votes: np.ndarray, emotions: Emotions = EMOTIONS) -> Suspects:
    """Find the labels, indices into `emotions`, that are not what most of FER+'s voters saw; `votes` are (N, 10)."""
    winner = majority(votes, emotions)
    predicted = np.where(winner == NO_MAJORITY, labels, winner)
    return _rank(labels, vote_distribution(votes, emotions), predicted)


def _rank(labels: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray) -> Suspects:
    """Return the faces whose predicted emotion (N,) is not the label, and more probable, by the normalized margin."""
    every_row = np.arange(len(labels))
    others = probabilities.copy()
    others[every_row, labels] = -np.inf
    margins = probabilities[every_row, labels] - others.max(axis=1)
    rows = np.flatnonzero((predicted != labels) & (margins < 0))
    rows = rows[margins[rows].argsort(kind="stable")]
    return Suspects(rows, predicted[rows], margins[rows])


def describe_suspects(
    suspects: Suspects,
    n: int,
    faces: Table,
    probabilities: np.ndarray,
    votes: np.ndarray,
    emotions: Emotions = EMOTIONS,
) -> list[dict[str, Any]]:
    """Return the first n suspects as rows of results/suspects.csv, by the columns of `suspect_list`.

    Args:
        suspects: Of the faces.
        n: At most this many.
        faces: Rows of the data set.
        probabilities: (N, K), of the networks or shares of the votes.
        votes: (N, 10) of FER+, or (0, 10) without votes.
        emotions: The names of the K emotions.
    """
    described = []
    for row, suggested, score in zip(suspects.rows[:n], suspects.suggested, suspects.scores, strict=False):
        label = faces["emotion"][row]
        winner = majority(votes[[row]], emotions)[0] if len(votes) else NO_MAJORITY
        has_majority = winner != NO_MAJORITY
        described.append(
            {
                "origin": str(faces["origin"][row]),
                "digest": compute_digest(faces["pixels"][row]),
                "split": SPLITS[str(faces["Usage"][row])],
                "label": emotions[label],
                "suggested": emotions[suggested],
                "score": round(float(score), 4),
                "label_probability": round(float(probabilities[row, label]), 4),
                "suggested_probability": round(float(probabilities[row, suggested]), 4),
                "voters_majority": emotions[winner] if has_majority else "",
                "voters_share": round(float(votes[row].max() / votes[row].sum()), 2) if has_majority else "",
            }
        )
    return described


def compare_with_voters(
    rows: np.ndarray, labels: np.ndarray, votes: np.ndarray, emotions: Emotions = EMOTIONS
) -> dict[str, float] | None:
    """Return how often the label is not the voters' majority, among the faces that have one.

    Args:
        rows: Which of the N faces are listed.
        labels: (N,) integers, indices into `emotions`.
        votes: (N, 10) of FER+, or (0, 10) without votes.
        emotions: Their names.

    Returns:
        "listed": share of the listed faces, the precision of the list; "all": share of all faces. None without votes.
    """
    winner = majority(votes, emotions) if len(votes) else np.full(len(labels), NO_MAJORITY)
    differs, has_majority = winner != labels, winner != NO_MAJORITY
    if not has_majority[rows].any():
        return None
    listed, all_faces = differs[rows][has_majority[rows]], differs[has_majority]
    return {"listed": float(listed.mean()), "all": float(all_faces.mean())}
