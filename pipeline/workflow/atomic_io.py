"""Files written whole or not at all, telling whether a file has changed, and names that can be printed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path: Path, keep: bool = False) -> Iterator[Path]:
    """Where to write a file so that it appears under `path` whole or, should anything go wrong, not at all.

    With `keep` it appears all the same, for files that are worth having up to where they end.

    It lies beside `path`, so that renaming it is one act, and has its ending, by which some libraries choose a
    format. What was at `path` before stays until then. Makes the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        if keep and unfinished.exists():
            unfinished.replace(path)
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all; makes its folder."""
    with atomic_write(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # else a power cut soon after the rename could leave it empty


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text.encode(errors="backslashreplace").decode())  # a file's name need not be UTF-8
