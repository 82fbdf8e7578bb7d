"""Write files atomically: each appears complete under its name or, after an error, not at all."""

import glob
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY_PREFIX = ".unfinished-"  # of the name of a temporary file
MAX_NAME_BYTES = 200  # of a file's name in the name of its temporary file; file systems allow 255 in all
MAX_SUFFIX_BYTES = 20
MAX_LEFTOVER_AGE_S = 24 * 60 * 60  # a temporary file that has not been written to for longer is deleted


@contextmanager
def atomic_write(path: Path, keep_partial: bool = False, remove_leftovers: bool = True) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` at the end, and deleted after an error.

    An existing file at `path` stays until then. Makes the folder.

    Args:
        path: The file to write.
        keep_partial: Rename after an error too, for a file that is useful up to where it ends, such as a video.
        remove_leftovers: Search the folder for what killed processes have left there; slow if it has many files.
    """
    with temporary_path(path, remove_leftovers) as temporary:
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            if keep_partial and temporary.exists():
                temporary.replace(path)
            raise


@contextmanager
def temporary_path(path: Path, remove_leftovers: bool = True) -> Iterator[Path]:
    """Yield a hidden path beside `path` that no other process uses, and delete it at the end if it is there.

    It lies in the same folder, so that a rename is atomic, and keeps the suffix, by which some libraries choose a
    format. Makes the folder and, if asked for, deletes what killed processes have left there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if remove_leftovers:
        _remove_leftovers(path)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{_short_name(path)}")
    try:
        yield temporary
    finally:
        _delete(temporary)  # a file that did not fit on the disk would keep it full


def check_writable(folder: Path) -> None:
    """Raise OSError if a folder, which is made, is not writable: before hours of training rather than after."""
    with temporary_path(folder / "test") as temporary:
        temporary.touch()


def _short_name(path: Path) -> str:
    """Return a file's name, or for a long one a hash with its suffix, so that a prefix fits before it."""
    if len(os.fsencode(path.name)) <= MAX_NAME_BYTES:
        return path.name
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return digest + (path.suffix if len(os.fsencode(path.suffix)) < MAX_SUFFIX_BYTES else "")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; makes its folder."""
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # a power failure soon after the rename could otherwise leave it empty


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; makes its folder."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text.encode(errors="backslashreplace").decode())  # a file's name need not be UTF-8


def _delete(path: Path) -> None:
    """Delete a file or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(f"{TEMPORARY_PREFIX}*-{glob.escape(_short_name(path))}"):
        process_id = leftover.name.split("-")[1]
        try:
            is_old = time.time() - leftover.stat().st_mtime > MAX_LEFTOVER_AGE_S
            if is_old or (process_id.isdigit() and not _is_running(int(process_id))):
                _delete(leftover)
        except OSError:  # another process has just deleted it, or Windows has it open
            continue


def _is_running(process_id: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(process_id, 0)  # signal 0 only checks
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
