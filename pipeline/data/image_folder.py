"""Read faces from folders of images: train/<emotion>/*.jpg and test/<emotion>/*.jpg, or other layouts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.data.csv_file import is_system_file
from pipeline.data.fer2013 import DTYPES, EMOTIONS, LABELS, Table, parse_emotion, parse_usage
from pipeline.data.image_formats import IMAGE_EXTENSIONS
from pipeline.data.image_io import read_face
from pipeline.data.splits import sort_by_split

LabeledFile = tuple[Path, str, int]  # an image, its Usage ("" outside the folders of a split) and its label


def read_image_folder(root: Path, folders: Sequence[Path] = ()) -> tuple[Table, str]:
    """Read a folder whose images are in folders named after their emotion.

    The folders of an emotion may be in or above those of a split, at any depth, or there may be no splits. Names may
    be in any case and have the usual variants.

    Args:
        root: The folder.
        folders: Its subfolders to read; empty: all.

    Returns:
        The table, sorted by split, or without Usage if there are no splits; and a note on images that were passed
        over, which may be empty.

    Raises:
        FileNotFoundError: If there are no such images.
        ValueError: If an image cannot be read or a folder has an unknown name; names it.
    """
    files = sorted(find_images(root, folders))
    if not files:
        raise FileNotFoundError(
            f"{root} has neither a CSV of faces nor images in folders named after their emotion, such as "
            f"train/<emotion>/*.jpg and test/<emotion>/*.jpg or <emotion>/*.jpg, where <emotion> is one of "
            f"{', '.join(EMOTIONS)}."
        )
    in_splits = [file for file in files if file[1]]
    note = ""
    if in_splits and len(in_splits) < len(files):
        note = (
            f"{len(files) - len(in_splits):,} images outside the folders of the splits were passed over, "
            f"such as {next(path for path, usage, _ in files if not usage)}."
        )
        files = in_splits
    bar = tqdm(files, desc=f"Reading {root.name}", unit="image", delay=1, leave=False)
    table = {
        "emotion": np.array([label for _, _, label in files], DTYPES["emotion"]),
        "pixels": np.stack([_read_face(path) for path, _, _ in bar]),
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


def find_images(root: Path, folders: Sequence[Path] = ()) -> Iterator[LabeledFile]:
    """Yield the images below `root`, or below some of its subfolders, that a folder's name gives an emotion.

    Raises:
        ValueError: If images are in a split's folder, but not in one of an emotion; names it.
    """
    for folder in folders or [root]:
        for path in folder.rglob("*"):
            parts = path.relative_to(root).parts
            if path.suffix.lower() not in IMAGE_EXTENSIONS or len(parts) < 2:
                continue
            if is_system_file(*parts) or not path.is_file():
                continue
            label, usage = find_label(parts[:-1]), _find_usage(parts[:-1])
            if label is not None:
                yield path, usage, label
            elif usage and len(parts) > 2:
                raise ValueError(
                    f"{path.parent}: the folder's name is none of {', '.join(EMOTIONS)}. The networks here "
                    "have these seven outputs; move the folder away, or merge its images into another one."
                )


def find_label(folders: Sequence[str]) -> int | None:
    """Return the label that the innermost folder with an emotion's name gives; numbers count after names."""
    labels = [(name in LABELS, parse_emotion(name)) for name in reversed(folders)]
    named = [label for is_number, label in labels if label is not None and not is_number]
    numbered = [label for is_number, label in labels if is_number]
    return next(iter(named + numbered), None)


def _find_usage(folders: Sequence[str]) -> str:
    """Return the Usage that the innermost folder with a split's name gives, or ""."""
    return next(filter(None, map(parse_usage, reversed(folders))), "")
