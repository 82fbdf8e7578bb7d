"""Define the schema of FER2013: its emotions, splits and columns, and the checks of a table.

A *table* is the form in which step 2 stores the data set, a dict of three arrays with one row per face:

    emotion   (N,) uint8, an index into EMOTIONS
    pixels    (N, 48, 48) uint8, gray levels, 0 black to 255 white
    Usage     (N,) str, one of USAGES

FER2013: I. J. Goodfellow et al., "Challenges in Representation Learning: A report on three machine
learning contests", 2013, https://arxiv.org/abs/1307.0414.
"""

import numpy as np

EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
SPLITS = dict(zip(USAGES, ("train", "validation", "test"), strict=True))
COLUMNS = ("emotion", "pixels", "Usage")
DTYPES = {"emotion": np.dtype(np.uint8), "pixels": np.dtype(np.uint8), "Usage": np.dtype("<U11")}
SIDE = 48  # pixels, height and width of a face
PIXELS = SIDE * SIDE  # per face

Table = dict[str, np.ndarray]


def validate_table(table: Table, origin: str) -> None:
    """Raise ValueError unless all splits contain faces of all seven emotions; `origin` names the data set."""
    for usage, counts in zip(USAGES, count_faces(table["emotion"], table["Usage"]), strict=True):
        if counts.sum() == 0:
            raise ValueError(
                f"{origin} has no row whose Usage is {usage}: the {SPLITS[usage]} split would be empty."
            )
        for emotion, count in zip(EMOTIONS, counts, strict=True):
            if count == 0:
                raise ValueError(
                    f"{origin} has no face of {emotion} among the {usage} rows; each split needs all seven emotions."
                )


def count_faces(emotion: np.ndarray, usage: np.ndarray) -> np.ndarray:
    """Count the faces per split and emotion.

    Args:
        emotion: (N,) integers, indices into EMOTIONS.
        usage: (N,) str, one of USAGES.

    Returns:
        (3, 7) int, rows in the order of USAGES, columns in the order of EMOTIONS.
    """
    return np.stack([np.bincount(emotion[usage == name], minlength=len(EMOTIONS)) for name in USAGES])
