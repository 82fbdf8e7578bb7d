"""Files written whole or not at all, telling whether a file has changed, and names that can be printed."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO


def compute_sha256(file: BinaryIO) -> str:
    """SHA-256 of what a file opened for reading bytes has left, in hexadecimal."""
    sha256 = hashlib.sha256()
    while block := file.read(1 << 20):
        sha256.update(block)
    return sha256.hexdigest()


def compute_fingerprint(path: Path) -> dict[str, Any]:
    """What tells whether a file or folder has changed: the SHA-256 of its content, for a folder of its listing.

    Of what isn't there too, so that its appearing counts as a change.
    """
    if path.is_dir():
        listing = "\n".join(f"{inner} {_size_and_time(inner)}" for inner in sorted(path.rglob("*")))
        return {"sha256": hashlib.sha256(listing.encode()).hexdigest(), "size_and_time": None}
    if not path.exists():
        return {"sha256": "", "size_and_time": None}
    with open(path, "rb") as file:
        return {"sha256": compute_sha256(file), "size_and_time": _size_and_time(path)}


def has_changed(path: Path, before: dict[str, Any]) -> bool:
    """Whether a file or folder differs from its fingerprint. One that has gone since counts as unchanged.

    The content is read only where size or time differ.
    """
    if not path.exists() or (path.is_file() and _size_and_time(path) == before["size_and_time"]):
        return False
    return compute_fingerprint(path)["sha256"] != before["sha256"]


def _size_and_time(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
