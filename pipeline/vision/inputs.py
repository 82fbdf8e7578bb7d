"""What people name when they want faces recognized: files, folders, patterns; pictures, videos, tables."""

import glob
import os
from pathlib import Path
from typing import Literal

from pipeline.data.image_io import IMAGE_EXTENSIONS
from pipeline.vision.video_io import VIDEO_EXTENSIONS

InputKind = Literal["picture", "video", "csv"]
TABLE_EXTENSIONS = (".csv", ".csv.gz", ".csv.xz", ".csv.zip")


def find_inputs(named: list[str]) -> list[Path]:
    """All files that are named: by a path, by a pattern like faces/**/*.jpg, or as what a folder holds.

    Of a folder, the pictures, videos and CSVs in it and in the folders below. Links to folders are not followed there,
    so that a loop of them is none. What isn't there is in the list all the same, and so is a folder that may not be
    looked into, for the reader to say so.
    """
    files: list[Path] = []
    for name in named:
        path = Path(os.path.expanduser(name))
        pattern = glob.has_magic(name) and not os.path.lexists(path)
        for found in (pattern and _matching(path)) or [path]:
            files += _inside(found) if os.path.isdir(found) else [found]
    return list(dict.fromkeys(files))  # each once


def input_kind(path: Path) -> InputKind:
    """What a file is by its ending; one with an ending that nobody knows may be a picture."""
    return _by_ending(path) or "picture"


def _by_ending(path: Path) -> InputKind | None:
    name = path.name.lower()
    if name.startswith("."):
        return None
    if name.endswith(TABLE_EXTENSIONS):
        return "csv"
    if name.endswith(VIDEO_EXTENSIONS):
        return "video"
    return "picture" if name.endswith(IMAGE_EXTENSIONS) else None


def _matching(pattern: Path) -> list[Path]:
    """What a pattern names. Unlike glob.glob this follows no links where it has **, so that it ends."""
    start = Path(pattern.anchor)
    found = sorted(start.glob(str(pattern.relative_to(start))))
    return [path for path in found if not path.name.startswith(".")]


def _inside(folder: Path) -> list[Path]:
    closed: list[OSError] = []
    walk = os.walk(folder, onerror=closed.append)
    files = [
        path for place, _, names in walk for path in map(Path(place).joinpath, names) if _by_ending(path)
    ]
    return sorted([*files, *(Path(error.filename) for error in closed)])
