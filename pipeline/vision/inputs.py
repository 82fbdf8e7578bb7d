"""Find the images, videos and CSV files that a user names by paths, folders and glob patterns."""

import glob
import os
from pathlib import Path
from typing import Literal

from pipeline.data.image_io import IMAGE_EXTENSIONS
from pipeline.vision.video_io import VIDEO_EXTENSIONS

InputKind = Literal["image", "video", "csv"]
CSV_EXTENSIONS = (".csv", ".csv.gz", ".csv.xz", ".csv.zip")


def find_inputs(names: list[str]) -> list[Path]:
    """List the files that are named by paths, folders and glob patterns such as faces/**/*.jpg, each once.

    A folder stands for the images, videos and CSV files in it and its subfolders; symbolic links to folders are not
    followed. Paths that do not exist and folders that are not readable stay in the list, so that the code that opens
    them reports them.
    """
    files: list[Path] = []
    for name in names:
        path = Path(os.path.expanduser(name))
        is_pattern = glob.has_magic(name) and not os.path.lexists(path)
        for match in (is_pattern and _expand_pattern(path)) or [path]:
            files += _list_folder(match) if os.path.isdir(match) else [match]
    return list(dict.fromkeys(files))


def input_kind(path: Path) -> InputKind:
    """Return the kind of a file by its extension; an unknown extension may be an image."""
    return _kind_by_extension(path) or "image"


def _kind_by_extension(path: Path) -> InputKind | None:
    name = path.name.lower()
    if name.startswith("."):
        return None
    if name.endswith(CSV_EXTENSIONS):
        return "csv"
    if name.endswith(VIDEO_EXTENSIONS):
        return "video"
    return "image" if name.endswith(IMAGE_EXTENSIONS) else None


def _expand_pattern(pattern: Path) -> list[Path]:
    """List the paths that match a pattern. Unlike glob.glob, ** follows no links, which can form a cycle."""
    start = Path(pattern.anchor)
    matches = sorted(start.glob(str(pattern.relative_to(start))))
    return [path for path in matches if not path.name.startswith(".")]


def _list_folder(folder: Path) -> list[Path]:
    """List a folder's files of a known kind, and its subfolders that are not readable."""
    errors: list[OSError] = []
    walk = os.walk(folder, onerror=errors.append)
    files = [Path(parent) / name for parent, _, names in walk for name in names]
    known_files = [path for path in files if _kind_by_extension(path)]
    return sorted([*known_files, *(Path(error.filename) for error in errors)])
