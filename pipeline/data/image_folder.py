"""Read faces from folders of images: train/<emotion>/*.jpg and test/<emotion>/*.jpg, or other layouts."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.data.csv_file import is_system_file
from pipeline.data.emotions import (
    ALL_EMOTIONS,
    EmotionSelection,
    is_number,
    is_standard_name,
    remove_number,
    standardize_name,
)
from pipeline.data.fer2013 import DTYPES, EMOTIONS, Table, parse_usage
from pipeline.data.image_formats import IMAGE_EXTENSIONS
from pipeline.data.image_io import read_face
from pipeline.data.splits import sort_by_split
from pipeline.workflow.formatting import format_count, shell_quote

Parts = tuple[str, ...]  # names of folders, the outermost first
LabeledFile = tuple[Path, str, int]  # an image, its Usage ("" outside the folders of a split) and its label


def read_image_folder(
    root: Path, folders: Sequence[Path] = (), emotions: EmotionSelection = ALL_EMOTIONS
) -> tuple[Table, str]:
    """Read a folder whose images are in folders named after their emotion.

    The folders of an emotion may be in or above those of a split, at any depth, or there may be no splits. Names may
    be in any case and have the usual variants.

    Args:
        root: The folder.
        folders: Its subfolders to read; empty: all.
        emotions: Names the labels, those of emotions that are left out, too.

    Returns:
        The table, sorted by split, or without Usage if there are no splits; and a note on images that were passed
        over, which may be empty.

    Raises:
        FileNotFoundError: If there are no such images.
        ValueError: If an image cannot be read or a folder has an unknown name; names it.
    """
    files = sorted(find_images(root, folders, emotions))
    if not files:
        raise FileNotFoundError(
            f"{root} has neither a CSV of faces nor images in folders named after their emotion, such as "
            f"train/<emotion>/*.jpg and test/<emotion>/*.jpg or <emotion>/*.jpg, where <emotion> is one of "
            f"{', '.join(emotions.names)}. For other emotions see --emotions."
        )
    in_splits, note = [file for file in files if file[1]], ""
    if in_splits and len(in_splits) < len(files):
        note = (
            f"{len(files) - len(in_splits):,} images outside the folders of the splits were passed over, "
            f"such as {next(path for path, usage, _ in files if not usage)}."
        )
        files = in_splits
    bar = tqdm(files, desc=f"Reading {root.name}", unit="image", delay=1, leave=False, disable=None)
    table = {
        "emotion": np.array([label for _, _, label in files], DTYPES["emotion"]),
        "pixels": np.stack([_read_face(path) for path, _, _ in bar]),
        "origin": np.array([path.relative_to(root).as_posix() for path, _, _ in files]),
    }
    if in_splits:
        usages = np.array([usage for _, usage, _ in files], DTYPES["Usage"])
        table = sort_by_split(table | {"Usage": usages})
    return table, note


def _read_face(path: Path) -> np.ndarray:
    face = read_face(path)
    if face.is_damaged:
        raise ValueError(f"{path} is cut off or damaged. Replace or remove it.")
    return face.pixels


def find_images(
    root: Path, folders: Sequence[Path] = (), emotions: EmotionSelection = ALL_EMOTIONS
) -> Iterator[LabeledFile]:
    """Yield the images below `root`, or below some of its subfolders, that a folder's name gives an emotion.

    Raises:
        ValueError: At the end, if there are images in a split's folder, or beside the folders of emotions, whose
            folder's name is none of an emotion; names these.
    """
    parents: set[Parts] = set()  # the folders that have those of the emotions
    found: set[str] = set()
    unknown: dict[Parts, int] = {}  # folder: number of its images
    locate = cache(lambda parts: (_find_emotion_folder(parts, emotions), _find_usage(parts)))
    for folder in folders or [root]:
        for path in folder.rglob("*"):
            parts = path.relative_to(root).parts
            if path.suffix.lower() not in IMAGE_EXTENSIONS or len(parts) < 2:
                continue
            if is_system_file(*parts) or not path.is_file():
                continue
            position, usage = locate(parts[:-1])
            if position is None:
                unknown[parts[:-1]] = unknown.get(parts[:-1], 0) + 1
                continue
            label = emotions.find_label(parts[position])
            assert label is not None
            parents.add(parts[:position])
            found.add(parts[position])
            yield path, usage, label
    if counts := _count_unknown_names(unknown, parents):
        raise _unknown_name_error(root, counts, found)


def find_label(folders: Sequence[str], emotions: EmotionSelection = ALL_EMOTIONS) -> int | None:
    """Return the label that the folders around an image give it; None if none has an emotion's name."""
    position = _find_emotion_folder(folders, emotions)
    return None if position is None else emotions.find_label(folders[position])


def _find_emotion_folder(folders: Sequence[str], emotions: EmotionSelection) -> int | None:
    """Return the position of the folder that names the emotion: the innermost one with the name of a chosen emotion.

    Numbers count after names, and the names of emotions that are left out count last.
    """
    candidates = [index for index in reversed(range(len(folders))) if parse_usage(folders[index]) is None]
    labels = {index: emotions.find_label(folders[index]) for index in candidates}

    def rank(index: int) -> int:
        label, name = labels[index], folders[index]
        if label is not None and emotions.is_chosen(label):
            return 1 if is_number(name) else 0
        return 2 if is_standard_name(name) else 3

    return min((index for index in candidates if labels[index] is not None), key=rank, default=None)


def _count_unknown_names(unknown: dict[Parts, int], parents: set[Parts]) -> dict[str, int]:
    """Return the number of images by the name of their folder, of folders where one with an emotion's name belongs.

    Args:
        unknown: Number of images by their folders, none of which has the name of an emotion.
        parents: The folders that have those of the emotions.
    """
    counts: dict[str, int] = {}
    for folders, count in unknown.items():
        levels = [level for level, name in enumerate(folders) if parse_usage(name) is None]
        level = next((level for level in levels if folders[:level] in parents), None)
        if level is None and _find_usage(folders) and levels:
            level = levels[-1]
        if level is not None:
            counts[folders[level]] = counts.get(folders[level], 0) + count
    return counts


def _unknown_name_error(root: Path, counts: dict[str, int], found: set[str]) -> ValueError:
    """Return the error for folders that have names of no emotion, `counts`, beside those of emotions, `found`."""
    listed = ", ".join(f"{name} ({format_count(count, 'image')})" for name, count in sorted(counts.items()))
    names = {standardize_name(remove_number(name)) for name in (*found, *counts)} - {""}
    ordered = [name for name in EMOTIONS if name in names] + sorted(names - set(EMOTIONS))
    return ValueError(
        f"{root} has images in the folders {listed}, which are none of {', '.join(EMOTIONS)}. Choose the emotions, and "
        f"others are left out: --emotions {' '.join(map(shell_quote, ordered))}"
    )


def _find_usage(folders: Sequence[str]) -> str:
    """Return the Usage that the innermost folder with a split's name gives, or ""."""
    return next(filter(None, map(parse_usage, reversed(folders))), "")
