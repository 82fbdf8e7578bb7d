"""The votes of FER+: for each row of FER2013, what ten people saw in the face.

E. Barsoum, C. Zhang, C. Canton Ferrer and Z. Zhang, "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution", ICMI 2016, https://arxiv.org/abs/1608.01041. The file is `fer2013new.csv` of
github.com/microsoft/FERPlus (MIT license): same rows, same order as fer2013.csv.
"""

import csv
from pathlib import Path

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions

# The columns of the file behind "Usage" and "Image name", in its order; NF: no face.
VOTE_COLUMNS = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
    *("contempt", "unknown", "NF"),
)
HEADER = ("Usage", "Image name", *VOTE_COLUMNS)
# Where the votes for each emotion stand among VOTE_COLUMNS.
EMOTION_COLUMNS = {
    emotion: VOTE_COLUMNS.index(name)
    for emotion, name in zip(
        (*EMOTIONS, "Contempt"),
        ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt"),
        strict=True,
    )
}
MAX_VOTES = 10  # annotators of each face
NO_MAJORITY = -1


def read_votes(path: Path, usage: np.ndarray) -> np.ndarray:
    """Read FER+'s CSV for the data set whose column Usage is `usage`, (N,) str.

    Returns:
        (N, 10) uint8, the number of votes in the order of VOTE_COLUMNS; all zero where FER+ left an image out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not FER+'s file or belongs to other rows; names the row (1 is the first below the header).
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist. It should be fer2013new.csv of FER+.") from None
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ValueError(f"{path} is not the CSV of FER+ ({error}).") from error
    if tuple(name.strip() for name in header) != HEADER:
        raise ValueError(f"{path} is not the CSV of FER+: its header should be {','.join(HEADER)}.")
    if len(rows) != len(usage):
        raise ValueError(
            f"{path} has {len(rows):,} rows, but the data set has {len(usage):,}. The votes must belong to the same "
            "rows in the same order."
        )
    return np.array(
        [_parse_row(path, number, row, usage[number - 1]) for number, row in enumerate(rows, start=1)],
        np.uint8,
    )


def _parse_row(path: Path, number: int, row: list[str], usage: str) -> list[int]:
    if len(row) != len(HEADER):
        raise ValueError(f"{path}, row {number:,}: {len(row)} fields where the header has {len(HEADER)}.")
    if row[0].strip() != usage:
        raise ValueError(
            f"{path}, row {number:,}, Usage: {row[0]!r}, but the data set has {usage!r} there. The votes must belong "
            "to the same rows in the same order."
        )
    if not row[1].strip():  # FER+ removed the image
        return [0] * len(VOTE_COLUMNS)
    for name, value in zip(VOTE_COLUMNS, row[2:], strict=True):
        if not (value.strip().isascii() and value.strip().isdecimal() and int(value) <= MAX_VOTES):
            raise ValueError(
                f"{path}, row {number:,}, {name}: {value!r} is not a number of votes from 0 to {MAX_VOTES}."
            )
    return [int(value) for value in row[2:]]


def check_voted(emotions: Emotions) -> None:
    """Raise ValueError for an emotion that FER+ has no votes on."""
    if unknown := [name for name in emotions if name not in EMOTION_COLUMNS]:
        raise ValueError(
            f"FER+ has no votes on {' and '.join(unknown)}, only on {', '.join(EMOTION_COLUMNS)}. Leave votes empty."
        )


def emotion_votes(votes: np.ndarray, emotions: Emotions = EMOTIONS) -> np.ndarray:
    """The votes (N, 10) for K emotions alone, (N, K), in their order; without votes they may be any."""
    if not len(votes):
        return np.zeros((0, len(emotions)), np.uint8)
    return votes[:, [EMOTION_COLUMNS[name] for name in emotions]]


def vote_distribution(votes: np.ndarray, emotions: Emotions = EMOTIONS) -> np.ndarray:
    """Each emotion's share among the votes (N, 10) for K of them, (N, K) float32; zeros where there is none."""
    counts = emotion_votes(votes, emotions).astype(np.float32)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def majority(votes: np.ndarray, emotions: Emotions = EMOTIONS) -> np.ndarray:
    """The emotion that got more of the votes (N, 10) than anything else, (N,) int8, an index into `emotions`.

    NO_MAJORITY where there is none: a tie, or most votes went to another emotion, unknown or no face.
    """
    first, second = np.sort(votes, axis=1)[:, :-3:-1].T
    counts = emotion_votes(votes, emotions)
    is_clear = (first > second) & (counts.max(axis=1) == first)
    return np.where(is_clear, counts.argmax(axis=1), NO_MAJORITY).astype(np.int8)
