"""Detect whether a file or folder outside data/ has changed since a step read it.

The fingerprint of a folder covers the files that are read from it, by relative path and content: a file manager that
adds its own files, a copy with other times, and another place of the project change nothing.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

Fingerprint = dict[str, Any]


class HashingWriter:
    """Write to a binary file and compute the SHA-256 of the written bytes."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)


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


def compute_fingerprint(path: Path, suffixes: Sequence[str] = ()) -> Fingerprint:
    """Return what identifies the content of a file or folder.

    Args:
        path: The file or folder. One that does not exist has a fingerprint too, so that a file that appears counts as
            a change.
        suffixes: Of the files that are read from a folder, in lower case; empty: all.

    Returns:
        `sha256` of the content, "" without a file or folder; `stat`, of sizes and times, by which most changes are
        excluded without reading the content; and `suffixes`.
    """
    fingerprint = {"sha256": "", "stat": _compute_stat(path, suffixes), "suffixes": list(suffixes)}
    if path.is_dir():
        sha256 = hashlib.sha256()
        for inner in _list_files(path, suffixes):
            sha256.update(f"{_relative_name(inner, path)}\0{_hash_file(inner)}\n".encode())
        fingerprint["sha256"] = sha256.hexdigest()
    elif path.is_file():  # not a device or a FIFO, which could block or never end
        fingerprint["sha256"] = _hash_file(path)
    return fingerprint


def find_changed(
    fingerprints: Mapping[str, Fingerprint], root: Path, memory: dict[str, str] | None = None
) -> str:
    """Return the first path whose content differs from its fingerprint, or "" if there is none.

    A file that was deleted counts as unchanged, and so does one that appeared with the content of another one: it was
    renamed or copied.

    Args:
        fingerprints: By the path, relative to `root` or absolute.
        root: The project's folder.
        memory: By the path, SHA-256 of the content that was found changed, "" for an unchanged one. It is read
            and extended, so that each path is checked once.
    """
    memory = {} if memory is None else memory
    known = {fingerprint["sha256"] for fingerprint in fingerprints.values()}
    for name, fingerprint in fingerprints.items():
        if name not in memory:
            memory[name] = _read_changed(root / name, fingerprint)
        if memory[name] and (fingerprint["sha256"] or memory[name] not in known):
            return name
    return ""


def _read_changed(path: Path, fingerprint: Fingerprint) -> str:
    """Return the SHA-256 of a path's content if it differs from the fingerprint's, otherwise ""."""
    stat, suffixes = fingerprint["stat"], fingerprint["suffixes"]
    if not path.exists() or (stat and _compute_stat(path, suffixes) == stat):
        return ""
    sha256 = compute_fingerprint(path, suffixes)["sha256"]
    return "" if sha256 == fingerprint["sha256"] else sha256 or "not a regular file"


def _compute_stat(path: Path, suffixes: Sequence[str]) -> str:
    if path.is_dir():
        listing = (
            f"{_relative_name(file, path)}\0{_format_stat(file)}" for file in _list_files(path, suffixes)
        )
        return hashlib.sha256("\n".join(listing).encode()).hexdigest()
    return _format_stat(path) if path.is_file() else ""


def _list_files(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """Yield the files in a folder, sorted, without hidden ones and those that macOS adds to archives."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        is_system_file = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if not is_system_file and path.is_file() and (not suffixes or path.suffix.lower() in suffixes):
            yield path


def _hash_file(path: Path) -> str:
    with open(path, "rb") as file:
        return compute_sha256(file)


def _relative_name(path: Path, folder: Path) -> str:
    return ascii(path.relative_to(folder).as_posix())  # a name need not be valid Unicode


def _format_stat(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"
