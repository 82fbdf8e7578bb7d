"""Detect whether a file or folder outside data/ has changed since a step read it."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO


def compute_sha256(file: BinaryIO) -> str:
    """Return the SHA-256, in hexadecimal, of a binary file from its current position to its end."""
    sha256 = hashlib.sha256()
    while block := file.read(1 << 20):
        sha256.update(block)
    return sha256.hexdigest()


def compute_folder_sha256(folder: Path) -> str:
    """Return the SHA-256, in hexadecimal, of the names and contents of all files in a folder and its subfolders."""
    sha256 = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with open(path, "rb") as file:
                sha256.update(f"{compute_sha256(file)}  {path.relative_to(folder).as_posix()}\n".encode())
    return sha256.hexdigest()


def compute_fingerprint(path: Path) -> dict[str, Any]:
    """Return the SHA-256 of a file's content or a folder's listing, and a file's size and time.

    A path that does not exist has a fingerprint too, so that a file that appears counts as a change.
    """
    if path.is_dir():
        listing = "\n".join(f"{inner} {_size_and_time(inner)}" for inner in sorted(path.rglob("*")))
        return {"sha256": hashlib.sha256(listing.encode()).hexdigest(), "size_and_time": None}
    if not path.is_file():  # or a device or a FIFO, which is not read
        return {"sha256": "", "size_and_time": None}
    with open(path, "rb") as file:
        return {"sha256": compute_sha256(file), "size_and_time": _size_and_time(path)}


def has_changed(path: Path, fingerprint: dict[str, Any]) -> bool:
    """Return whether a file or folder differs from its fingerprint; one that was deleted counts as unchanged.

    The content is read only where size or time differ.
    """
    if not path.exists() or (path.is_file() and _size_and_time(path) == fingerprint["size_and_time"]):
        return False
    return compute_fingerprint(path)["sha256"] != fingerprint["sha256"]


def _size_and_time(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
