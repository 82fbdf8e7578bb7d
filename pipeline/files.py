"""Files written whole or not at all, telling whether a file has changed, and names that can be printed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def whole_or_not(path: Path, keep: bool = False) -> Iterator[Path]:
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
    with whole_or_not(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # else a power cut soon after the rename could leave it empty


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text.encode(errors="backslashreplace").decode())  # a file's name need not be UTF-8


def shown(path: Path | str) -> str:
    """A path, or a sentence with one, that can be printed: its bytes need not be UTF-8, and it may hold line breaks."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name
    )


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of what a file opened for reading bytes has left, in hexadecimal."""
    sha256 = hashlib.sha256()
    while block := file.read(1 << 20):
        sha256.update(block)
    return sha256.hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells whether a file or folder has changed: the SHA-256 of its content, for a folder of its listing.

    Of what isn't there too, so that its appearing counts as a change.
    """
    if path.is_dir():
        listing = "\n".join(f"{inner} {_size_and_time(inner)}" for inner in sorted(path.rglob("*")))
        return {"sha256": hashlib.sha256(listing.encode()).hexdigest(), "size_and_time": None}
    if not path.exists():
        return {"sha256": "", "size_and_time": None}
    with open(path, "rb") as file:
        return {"sha256": sha256_of(file), "size_and_time": _size_and_time(path)}


def has_changed(path: Path, before: dict[str, Any]) -> bool:
    """Whether a file or folder differs from its fingerprint. One that has gone since counts as unchanged.

    The content is read only where size or time differ.
    """
    if not path.exists() or (path.is_file() and _size_and_time(path) == before["size_and_time"]):
        return False
    return fingerprint(path)["sha256"] != before["sha256"]


def _size_and_time(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
