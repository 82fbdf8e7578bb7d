"""Choose the emotions of a data set by their names, and label its faces.

A label is an index into the chosen names. A name in a file or of a folder stands for an emotion in any case and by its
usual synonyms. A number always stands for one of FER2013's seven, in their order.
"""

import re
import threading
import unicodedata
from typing import Annotated

import numpy as np
from annotated_types import Predicate

from pipeline.data.fer2013 import EMOTIONS, Emotions, Table
from pipeline.workflow.formatting import format_count
from pipeline.workflow.settings import Description

MAX_EMOTIONS = 16  # that figures have colors for
MAX_OTHERS = 200  # emotions that are left out; a label is a byte
MAX_NAME_LENGTH = 20  # characters; figures and panels have room for these
MAX_LISTED = 8  # names in a message
# Other names, normalized by `_normalize`.
SYNONYMS = {
    "Angry": ("angry", "anger"),
    "Disgust": ("disgust", "disgusted"),
    "Fear": ("fear", "fearful", "afraid", "scared"),
    "Happy": ("happy", "happiness", "joy", "joyful"),
    "Sad": ("sad", "sadness"),
    "Surprise": ("surprise", "surprised"),
    "Neutral": ("neutral", "neutrality"),
    "Contempt": ("contempt", "contemptuous"),
}
NUMBERED = [(str(label), name) for label, name in enumerate(EMOTIONS)]
STANDARD_NAMES = {synonym: name for name, synonyms in SYNONYMS.items() for synonym in synonyms}


def _is_name(text: str) -> bool:
    is_plain = all(character.isalnum() or character in " -_'" for character in text)
    return is_plain and text[:1].isalpha() and len(text) <= MAX_NAME_LENGTH


EmotionName = Annotated[
    str,
    Predicate(_is_name),
    Description(f"a name of at most {MAX_NAME_LENGTH} letters, digits and -_', the first a letter"),
]
EmotionNames = tuple[EmotionName, ...]


class EmotionSelection:
    """The emotions that are read from a data set, and the names of those that are left out.

    Args:
        names: Of the emotions, in the order of their labels; empty: FER2013's seven, and no others are left out.

    Attributes:
        names: The same, with FER2013's spelling for its emotions; others begin with a capital.
        leaves_out_others: Whether faces of other emotions are left out; otherwise they are an error.
        others: Names of the emotions that were left out, as `find_label` found them.

    Raises:
        ValueError: If there are too few or too many names, or two of them stand for the same emotion.
    """

    def __init__(self, names: tuple[str, ...] = ()):
        self.leaves_out_others = bool(names)
        self.names: Emotions = tuple(map(standardize_name, names)) or EMOTIONS
        self.others: list[str] = []
        self._labels: dict[str, int] = {_normalize(name): label for label, name in enumerate(self.names)}
        self._lock = threading.Lock()
        if not 2 <= len(self.names) <= MAX_EMOTIONS:
            count = format_count(len(self.names), "name")
            raise ValueError(f"emotions has {count}, but must have 2 to {MAX_EMOTIONS}.")
        keys = [_normalize(name) for name in self.names]
        if repeated := [name for name, key in zip(names, keys, strict=False) if keys.count(key) > 1]:
            raise ValueError(f"emotions has several names of the same emotion: {', '.join(repeated)}.")

    def find_label(self, text: str) -> int | None:
        """Return the label that a number or name such as "3", "Happy", "HAPPINESS" or "3_happy" stands for.

        An emotion that is left out gets len(names) plus its position in `others`, which is appended to. None is
        returned for what is no emotion: a number that FER2013 does not have, or, unless others are left out, a name
        that is not among `names`.
        """
        name = EMOTIONS[int(text)] if is_number(text) else standardize_name(remove_number(text))
        label = self._labels.get(_normalize(name))
        if label is not None or not self.leaves_out_others or not name[:1].isalpha():
            return label
        with self._lock:  # threads parse the parts of a file
            if name not in self.others and len(self.others) < MAX_OTHERS:
                self.others.append(name)
            return len(self.names) + self.others.index(name) if name in self.others else None

    def is_chosen(self, label: int) -> bool:
        """Return whether a label of `find_label` is of one of `names`."""
        return label < len(self.names)

    def drop_others(self, table: Table) -> tuple[Table, str]:
        """Return the rows of the chosen emotions, and a note on the others; empty if there are none."""
        is_chosen = table["emotion"] < len(self.names)
        if is_chosen.all():
            return table, ""
        if not is_chosen.any():
            raise ValueError(
                f"No face is of {' or '.join(self.names)}, only of {', '.join(self.others[:MAX_LISTED])}. Numbers "
                f"stand for FER2013's emotions: {', '.join(map(' '.join, NUMBERED))}."
            )
        counts = np.bincount(table["emotion"], minlength=len(self.names) + len(self.others))[
            len(self.names) :
        ]
        listed = sorted(zip(self.others, counts.tolist(), strict=True), key=lambda item: -item[1])
        names = [f"{name} {count:,}" for name, count in listed if count]
        more = [f"{len(names) - MAX_LISTED} more emotions"] if len(names) > MAX_LISTED else []
        note = (
            f"Left out: {format_count(int(counts.sum()), 'face')} of other emotions "
            f"({', '.join(names[:MAX_LISTED] + more)})."
        )
        return {name: column[is_chosen] for name, column in table.items()}, note

    def describe(self) -> str:
        """Return what a CSV may have in its column of emotions."""
        numbers = f"a whole number from 0 to {len(EMOTIONS) - 1}, as in FER2013,"
        if self.leaves_out_others:
            return f"{numbers} or a name such as {', '.join(self.names)}"
        return f"{numbers} or one of {', '.join(EMOTIONS)} (for other names see --emotions)"


def standardize_name(name: str) -> str:
    """Return FER2013's name of an emotion, or another name with a capital first letter."""
    name = unicodedata.normalize("NFC", name.strip())
    return STANDARD_NAMES.get(_normalize(name)) or name[:1].upper() + name[1:]


def is_standard_name(name: str) -> bool:
    """Return whether a folder's name is that of an emotion of FER2013, or contempt."""
    return _normalize(remove_number(name)) in STANDARD_NAMES


def is_number(text: str) -> bool:
    """Return whether a text is the number of one of FER2013's emotions."""
    return len(text) == 1 and text.isascii() and text.isdigit() and int(text) < len(EMOTIONS)


def remove_number(text: str) -> str:
    """Return a folder's name without the number before it, as of "3_happy"."""
    return re.sub(r"^\d+[\W_]*", "", text)


def _normalize(name: str) -> str:
    """Return a name without case, separators, and the ways to write an accent."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", name).casefold())


ALL_EMOTIONS = EmotionSelection()
