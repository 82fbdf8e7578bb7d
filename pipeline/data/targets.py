"""What a network is trained to predict, and what its predictions are compared with.

Targets are distributions (N, K) over K emotions for training; ground truth is integers for evaluation: FER2013's
label and the voters' majority.
"""

from typing import Literal

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions, Table
from pipeline.data.votes import emotion_votes, majority, vote_distribution

TargetKind = Literal["label", "votes", "both"]
GroundTruth = dict[str, np.ndarray]


def build_targets(
    emotion: np.ndarray, votes: np.ndarray, kind: TargetKind, min_votes: int, emotions: Emotions = EMOTIONS
) -> np.ndarray:
    """Return the target distribution of each face over K emotions, (N, K) float32.

    Args:
        emotion: (N,) FER2013's labels.
        votes: (N, 10) votes of FER+, or (0, 10) without votes.
        kind: "label" for one-hot labels, "votes" for the shares of the votes, "both" for the mean of the two.
        min_votes: A face with fewer votes for the emotions keeps its one-hot label.
        emotions: Their names.
    """
    one_hot = np.eye(len(emotions), dtype=np.float32)[emotion]
    if kind == "label":
        return one_hot
    shares = vote_distribution(votes, emotions)
    targets = {"votes": shares, "both": (one_hot + shares) / 2}[kind]
    return np.where(has_enough_votes(votes, min_votes, emotions)[:, np.newaxis], targets, one_hot)


def has_enough_votes(votes: np.ndarray, min_votes: int, emotions: Emotions = EMOTIONS) -> np.ndarray:
    """Return which faces got `min_votes` or more votes for the emotions, (N,) bool."""
    return emotion_votes(votes, emotions).sum(axis=1) >= min_votes


def collect_ground_truth(
    table: Table, votes: np.ndarray, training_images: set[bytes], emotions: Emotions = EMOTIONS
) -> GroundTruth:
    """Return what the predictions for the faces of a split are compared with.

    Args:
        table: The rows of the split.
        votes: Their votes (N, 10), or (0, 10) without votes.
        training_images: The bytes of all images that are trained on.
        emotions: The names of the emotions.

    Returns:
        label (N,) uint8; majority (N,) int8, -1 without a majority, or (0,) without votes; in_training (N,) bool,
        whether the same image is trained on.
    """
    in_training = [pixels.tobytes() in training_images for pixels in table["pixels"]]
    return {
        "label": table["emotion"],
        "majority": majority(votes, emotions),
        "in_training": np.array(in_training, bool),
    }
