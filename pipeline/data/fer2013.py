"""The FER2013 table: its emotions and splits, reading it from a CSV or from folders, and checking it.

A *table* is what step 2 stores, a dict of three arrays of equal length, one row a face:

    emotion   (N,) uint8, an index into EMOTIONS
    pixels    (N, 48, 48) uint8, gray, 0 black to 255 white
    Usage     (N,) str, one of USAGES

FER2013: I. J. Goodfellow et al., "Challenges in Representation Learning: A report on three machine
learning contests", 2013, https://arxiv.org/abs/1307.0414.
"""

import csv
import gzip
import lzma
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from pipeline.workflow.atomic_io import atomic_write
import numpy as np
from tqdm import tqdm


EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
SPLITS = dict(zip(USAGES, ("train", "validation", "test"), strict=True))
COLUMNS = ("emotion", "pixels", "Usage")
SIDE = 48
PIXELS = SIDE * SIDE

Table = dict[str, np.ndarray]

DTYPES = {"emotion": np.uint8, "pixels": np.uint8, "Usage": "<U11"}


def validate_table(table: Table, origin: str) -> None:
    """Raise ValueError unless each split has faces, and each of the seven emotions among them."""
    for usage, counts in zip(USAGES, count_faces(table["emotion"], table["Usage"]), strict=True):
        if counts.sum() == 0:
            raise ValueError(
                f"{origin} has no row whose Usage is {usage}: the {SPLITS[usage]} split would be empty."
            )
        for emotion, count in zip(EMOTIONS, counts, strict=True):
            if count == 0:
                raise ValueError(
                    f"{origin} has no face of {emotion} among the {usage} rows; each split needs all seven."
                )


def count_faces(emotion: np.ndarray, usage: np.ndarray) -> np.ndarray:
    """Faces per split and emotion, (3, 7) int: rows in the order of USAGES, columns of EMOTIONS."""
    return np.stack([np.bincount(emotion[usage == name], minlength=len(EMOTIONS)) for name in USAGES])
