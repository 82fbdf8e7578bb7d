"""Find the images, videos and CSV files that a user names by paths, folders and glob patterns."""

import glob
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline.vision.file_kinds import find_kind

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
MAX_LISTED_EXTENSIONS = 10


@dataclass(frozen=True)
class Inputs:
    """The files that were named.

    Attributes:
        files: each once, in order.
        skipped: the number of other files in the folders that were named, by extension.
    """

    files: list[Path]
    skipped: Counter[str]

    def describe_skipped(self) -> str:
        """Return the counts of skipped files: "3 .txt, 1 .docx"; "" without any."""
        counts = [f"{n:,} {extension}" for extension, n in self.skipped.most_common(MAX_LISTED_EXTENSIONS)]
        n_others = self.skipped.total() - sum(n for _, n in self.skipped.most_common(MAX_LISTED_EXTENSIONS))
        return ", ".join([*counts, *([f"{n_others:,} others"] if n_others else [])])


def find_inputs(names: list[str]) -> Inputs:
    """List the files that are named by paths, folders and glob patterns such as faces/**/*.jpg, each once.

    A folder stands for the images, videos and CSV files in it and its subfolders; symbolic links to folders are not
    followed. Paths that do not exist and folders that are not readable stay in the list, so that the code that opens
    them reports them.

    Raises:
        ValueError: a name is an address such as https://...
    """
    files: list[Path] = []
    skipped: set[Path] = set()
    for name in names:
        if ADDRESS.match(name):
            raise ValueError(f"{name} is an address, not a file. Download it, and name the file.")
        path = Path(os.path.expanduser(name))
        is_pattern = glob.has_magic(name) and not os.path.lexists(path)
        for match in (is_pattern and _expand_pattern(path)) or [path]:
            if os.path.isdir(match):
                files += _list_folder(match, skipped)
            else:
                files.append(match)
    extensions = Counter(path.suffix.lower() or "without extension" for path in skipped - set(files))
    return Inputs(list(dict.fromkeys(files)), extensions)


def _expand_pattern(pattern: Path) -> list[Path]:
    """List the paths that match a pattern. Unlike glob.glob, ** follows no links, which can form a cycle."""
    start = Path(pattern.anchor)
    matches = sorted(start.glob(str(pattern.relative_to(start))))
    return [path for path in matches if not path.name.startswith(".")]


def _list_folder(folder: Path, skipped: set[Path]) -> list[Path]:
    """List a folder's files of a known kind, and its subfolders that are not readable; add the rest to `skipped`."""
    errors: list[OSError] = []
    walk = os.walk(folder, onerror=errors.append)
    paths = [Path(parent) / name for parent, _, names in walk for name in names if not name.startswith(".")]
    files = [path for path in paths if find_kind(path)]
    skipped.update(set(paths).difference(files))
    return sorted([*files, *(Path(error.filename) for error in errors)])
