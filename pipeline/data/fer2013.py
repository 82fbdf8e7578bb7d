"""Define the schema of FER2013: its emotions, splits and columns, and the checks of a table.

A *table* is the form in which step 2 stores the data set, a dict of arrays with one row per face:

    emotion   (N,) uint8, an index into the names in the artifact `emotions`, which are EMOTIONS by default
    pixels    (N, 48, 48) uint8, gray levels, 0 black to 255 white
    Usage     (N,) str, one of USAGES
    origin    (N,) str, different for each face: its row in the CSV, from 1 below the header, or the path of its image

FER2013: I. J. Goodfellow et al., "Challenges in Representation Learning: A report on three machine
learning contests", 2013, https://arxiv.org/abs/1307.0414.
"""

import re

import numpy as np

from pipeline.workflow.formatting import format_count, shell_quote

Emotions = tuple[str, ...]  # names of the classes; a label is an index into them

EMOTIONS: Emotions = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
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

# Other names of splits, of columns and folders, without separators and in lower case.
USAGE_NAMES = dict.fromkeys(("training", "train", "trainset", "fer2013train"), "Training")
USAGE_NAMES |= dict.fromkeys(
    ("publictest", "validation", "valid", "val", "dev", "fer2013valid"), "PublicTest"
)
USAGE_NAMES |= dict.fromkeys(("privatetest", "test", "testing", "testset", "fer2013test"), "PrivateTest")

Table = dict[str, np.ndarray]


def parse_usage(text: str) -> str | None:
    """Return the Usage that a name such as "PublicTest", "val" or "Test" stands for, or None."""
    return USAGE_NAMES.get(re.sub(r"[\W_]+", "", text.lower()))


def validate_table(table: Table, origin: str, emotions: Emotions = EMOTIONS) -> None:
    """Raise ValueError unless all splits contain faces of all emotions; `origin` names the data set."""
    present = set(table["emotion"].tolist())
    if missing := [name for label, name in enumerate(emotions) if label not in present]:
        others = " ".join(shell_quote(name) for name in emotions if name not in missing)
        raise ValueError(
            f"{origin} has no face of {' and '.join(missing)}; each split needs all emotions, because the networks "
            f"have an output for each. Add faces of it, or choose the emotions: --emotions {others}"
        )
    for usage, counts in zip(USAGES, count_faces(table["emotion"], table["Usage"], emotions), strict=True):
        if counts.sum() == 0:
            raise ValueError(
                f"{origin} has no row whose Usage is {usage}: the {SPLITS[usage]} split would be empty."
            )
        for emotion, count in zip(emotions, counts, strict=True):
            if count == 0:
                raise ValueError(
                    f"{origin} has no face of {emotion} among the {usage} rows; each split needs all emotions, "
                    "because the networks have an output for each. Add faces of it, or leave it out by --emotions."
                )


def name_data_set(emotion: np.ndarray, origin: str, emotions: Emotions = EMOTIONS) -> str:
    """Name a data set as what it is: FER2013 or a part of it, by its number of faces per emotion, or by its origin.

    Args:
        emotion: (N,) integers, indices into `emotions`.
        origin: Name of its file or folder.
        emotions: Names of the emotions; other ones than all of FER2013's, in its order, are counted in the name.
    """
    counts = np.bincount(emotion, minlength=len(emotions))
    in_official = [EMOTIONS.index(name) for name in emotions if name in EMOTIONS]
    size = describe_size(len(emotion), "face", emotions)
    for n_splits in range(len(USAGES), 0, -1):
        usages = USAGES[:n_splits]
        official = np.sum([OFFICIAL_COUNTS[usage] for usage in usages], axis=0)[in_official]
        if np.array_equal(counts, official):
            name = "FER2013" if usages == USAGES else f"FER2013's {' and '.join(usages)} rows"
            return f"{name} ({origin}, {size})"
    return f"{origin} ({size})"


def describe_size(n_faces: int, noun: str, emotions: Emotions) -> str:
    """Return the number of faces and, unless the emotions are FER2013's, of emotions: "9,000 faces, 5 emotions"."""
    return format_count(n_faces, noun) + (f", {len(emotions)} emotions" if emotions != EMOTIONS else "")


def is_fer2013(label: str) -> bool:
    """Return whether a data set with this name, of `name_data_set`, is FER2013 or splits or emotions of it."""
    return re.fullmatch(r"FER2013('s .+ rows)? \(.+, [\d,]+ faces(, \d+ emotions)?\)", label) is not None


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
