"""Define the schema of FER2013: its emotions, splits and columns, and the checks of a table.

A *table* is the form in which step 2 stores the data set, a dict of three arrays with one row per face:

    emotion   (N,) uint8, an index into the names in the artifact `emotions`, which are EMOTIONS by default
    pixels    (N, 48, 48) uint8, gray levels, 0 black to 255 white
    Usage     (N,) str, one of USAGES

FER2013: I. J. Goodfellow et al., "Challenges in Representation Learning: A report on three machine
learning contests", 2013, https://arxiv.org/abs/1307.0414.
"""

import re

import numpy as np

from pipeline.workflow.formatting import format_count

Emotions = tuple[str, ...]  # names of the classes; a label is an index into them

EMOTIONS: Emotions = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
LABELS = {str(label): label for label in range(len(EMOTIONS))}
USAGES = ("Training", "PublicTest", "PrivateTest")
SPLITS = dict(zip(USAGES, ("train", "validation", "test"), strict=True))
COLUMNS = ("emotion", "pixels", "Usage")
# Faces of each emotion, in the order of EMOTIONS.
OFFICIAL_COUNTS = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}
DTYPES = {"emotion": np.dtype(np.uint8), "pixels": np.dtype(np.uint8), "Usage": np.dtype("<U11")}
SIDE = 48  # pixels, height and width of a face
PIXELS = SIDE * SIDE  # per face

# Other names of emotions and splits, of columns and folders, without separators and in lower case.
EMOTION_NAMES = {name.lower(): label for label, name in enumerate(EMOTIONS)}
EMOTION_NAMES |= {"anger": 0, "disgusted": 1, "fearful": 2, "afraid": 2, "scared": 2}
EMOTION_NAMES |= {"happiness": 3, "joy": 3, "joyful": 3, "sadness": 4, "surprised": 5, "neutrality": 6}
USAGE_NAMES = dict.fromkeys(("training", "train", "trainset", "fer2013train"), "Training")
USAGE_NAMES |= dict.fromkeys(
    ("publictest", "validation", "valid", "val", "dev", "fer2013valid"), "PublicTest"
)
USAGE_NAMES |= dict.fromkeys(("privatetest", "test", "testing", "testset", "fer2013test"), "PrivateTest")

Table = dict[str, np.ndarray]


def parse_emotion(text: str) -> int | None:
    """Return the label that a number or name such as "3", "Happy", "HAPPINESS" or "3_happy" stands for, or None."""
    if text in LABELS:
        return LABELS[text]
    return EMOTION_NAMES.get(_normalize(re.sub(r"^\d+[\W_]*", "", text)))


def parse_usage(text: str) -> str | None:
    """Return the Usage that a name such as "PublicTest", "val" or "Test" stands for, or None."""
    return USAGE_NAMES.get(_normalize(text))


def _normalize(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def validate_table(table: Table, origin: str, emotions: Emotions = EMOTIONS) -> None:
    """Raise ValueError unless all splits contain faces of all emotions; `origin` names the data set."""
    for usage, counts in zip(USAGES, count_faces(table["emotion"], table["Usage"], emotions), strict=True):
        if counts.sum() == 0:
            raise ValueError(
                f"{origin} has no row whose Usage is {usage}: the {SPLITS[usage]} split would be empty."
            )
        for emotion, count in zip(emotions, counts, strict=True):
            if count == 0:
                raise ValueError(
                    f"{origin} has no face of {emotion} among the {usage} rows; each split needs all seven "
                    "emotions, because the networks here have an output for each. Add faces of it."
                )


def name_data_set(emotion: np.ndarray, origin: str) -> str:
    """Name a data set as what it is: FER2013 or a part of it, by its number of faces per emotion, or by its origin.

    Args:
        emotion: (N,) integers, indices into EMOTIONS.
        origin: Name of its file or folder.
    """
    counts = np.bincount(emotion, minlength=len(EMOTIONS))
    for n_splits in range(len(USAGES), 0, -1):
        usages = USAGES[:n_splits]
        if np.array_equal(counts, np.sum([OFFICIAL_COUNTS[usage] for usage in usages], axis=0)):
            name = "FER2013" if usages == USAGES else f"FER2013's {' and '.join(usages)} rows"
            return f"{name} ({origin}, {format_count(len(emotion), 'face')})"
    return f"{origin} ({format_count(len(emotion), 'face')})"


def is_fer2013(label: str) -> bool:
    """Return whether a data set with this name, of `name_data_set`, is FER2013 or a part of it."""
    return re.fullmatch(r"FER2013('s .+ rows)? \(.+, [\d,]+ faces\)", label) is not None


def count_faces(emotion: np.ndarray, usage: np.ndarray, emotions: Emotions = EMOTIONS) -> np.ndarray:
    """Count the faces per split and emotion.

    Args:
        emotion: (N,) integers, indices into `emotions`.
        usage: (N,) str, one of USAGES.
        emotions: The names of the K emotions.

    Returns:
        (3, K) int, rows in the order of USAGES, columns in the order of `emotions`.
    """
    return np.stack([np.bincount(emotion[usage == name], minlength=len(emotions)) for name in USAGES])
