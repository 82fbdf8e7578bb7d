"""What people name when they want faces recognised: files, folders, patterns; pictures, videos, tables."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pipeline.dataset import PICTURES
from pipeline.video import VIDEOS

Kind = Literal["picture", "video", "csv"]
TABLES = (".csv", ".csv.gz", ".csv.xz", ".csv.zip")


def named_files(named: list[str]) -> list[Path]:
    """All files that are named: by a path, by a pattern like faces/**/*.jpg, or as what a folder holds.

    Of a folder, the pictures, videos and CSVs in it and in the folders below. Links to folders are not followed there,
    so that a loop of them is none. What isn't there is in the list all the same, for the reader to say so.
    """
    files: list[Path] = []
    for name in named:
        path = Path(os.path.expanduser(name))
        if path.is_dir():
            files += sorted(inner for inner in _inside(path) if _by_ending(inner))
        elif not os.path.lexists(path) and glob.has_magic(name):
            files += sorted(map(Path, glob.glob(str(path), recursive=True))) or [path]
        else:
            files.append(path)
    return list(dict.fromkeys(files))  # each once


def kind_of(path: Path) -> Kind:
    """What a file is by its ending; one with an ending that nobody knows may be a picture."""
    return _by_ending(path) or "picture"


def shown(path: Path | str) -> str:
    """A path, or a sentence with one, that can be printed: its bytes need not be UTF-8, and it may hold line breaks."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name
    )


def _by_ending(path: Path) -> Kind | None:
    name = path.name.lower()
    if name.startswith("."):
        return None
    if name.endswith(TABLES):
        return "csv"
    if name.endswith(VIDEOS):
        return "video"
    return "picture" if name.endswith(PICTURES) else None


def _inside(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            yield Path(place) / name
