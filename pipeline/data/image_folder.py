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
from pipeline.data.image_io import IMAGE_EXTENSIONS, read_face
from pipeline.data.fer2013 import EMOTIONS, Table, USAGES


# What people call the seven folders; compared in lower case.
EMOTION_FOLDERS = {name.lower(): label for label, name in enumerate(EMOTIONS)}
EMOTION_FOLDERS |= {str(label): label for label in range(len(EMOTIONS))}
EMOTION_FOLDERS |= {"anger": 0, "disgusted": 1, "fearful": 2, "afraid": 2, "happiness": 3, "joy": 3}
EMOTION_FOLDERS |= {"sadness": 4, "surprised": 5, "neutrality": 6}
SPLIT_FOLDERS = {"train": "Training", "training": "Training"}
SPLIT_FOLDERS |= dict.fromkeys(("validation", "valid", "val", "publictest"), "PublicTest")
SPLIT_FOLDERS |= dict.fromkeys(("test", "testing", "privatetest"), "PrivateTest")


def read_image_folder(root: Path, seed: int) -> tuple[Table, str]:
    """Read `train/<emotion>/*.jpg` and `test/<emotion>/*.jpg`, the form in which most people get FER2013 today.

    Case and the usual variants of the names don't matter. Where there is no validation folder, a stratified
    tenth of train, drawn with `seed`, becomes PublicTest.

    Returns the table and a sentence on what was held out, empty if nothing was.
    Raises FileNotFoundError where there are no such pictures, ValueError naming a picture that cannot be read.
    """
    files = sorted(_find_images(root))
    if not files:
        raise FileNotFoundError(
            f"{root} holds no pictures in the form train/<emotion>/*.jpg and test/<emotion>/*.jpg, "
            f"where <emotion> is one of {', '.join(EMOTIONS)}."
        )
    bar = tqdm(files, desc=f"Reading {root.name}", unit="picture", delay=1, leave=False)
    table = {
        "emotion": np.array([label for _, _, label in files], np.uint8),
        "pixels": np.stack([read_face(path) for path, _, _ in bar]),
        "Usage": np.array([usage for _, usage, _ in files], dtype="<U11"),
    }
    held_out = ""
    if "PublicTest" not in table["Usage"]:
        train = np.flatnonzero(table["Usage"] == "Training")
        validation = _hold_out_validation(train, table["emotion"][train], seed)
        table["Usage"][validation] = "PublicTest"
        held_out = (
            f"{root.name} has no validation folder, so a stratified tenth of train, {len(validation):,} faces "
            f"drawn with seed {seed}, is held out as PublicTest."
        )
    order = np.argsort([USAGES.index(usage) for usage in table["Usage"]], kind="stable")
    return {name: column[order] for name, column in table.items()}, held_out


def is_system_file(*names: str) -> bool:
    """Whether macOS put it there: ._face.jpg, __MACOSX/..."""
    return any(Path(name).name.startswith(".") or "__MACOSX" in name for name in names)


def _find_images(root: Path) -> Iterator[tuple[Path, str, int]]:
    """Each picture under `root` with its Usage and emotion, from <split>/<emotion>/<picture> at any depth."""
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.suffix.lower() in IMAGE_EXTENSIONS and len(parts) >= 3 and path.is_file() and not is_system_file(*parts):
            usage = SPLIT_FOLDERS.get(path.parent.parent.name.lower())
            label = EMOTION_FOLDERS.get(path.parent.name.lower())
            if usage and label is not None:
                yield path, usage, label
            elif usage:
                raise ValueError(f"{path.parent}: the folder's name is none of {', '.join(EMOTIONS)}.")


def _hold_out_validation(rows: np.ndarray, emotion: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.model_selection import train_test_split  # here: it takes a second to import

    counts = np.bincount(emotion, minlength=len(EMOTIONS))
    if counts.min() < 2:
        raise ValueError(
            f"train has {counts.min()} faces of {EMOTIONS[counts.argmin()]}: too few to hold out a tenth."
        )
    tenth = max(len(EMOTIONS), round(len(rows) / 10))
    return np.sort(train_test_split(rows, test_size=tenth, stratify=emotion, random_state=seed)[1])
