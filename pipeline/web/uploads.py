"""Limit how much disk space uploads take, delete them after use, and describe errors without their folder."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.workflow.errors import format_error

from pipeline.workflow.formatting import printable

MEGABYTE = 2**20  # bytes, as Gradio counts them
BLOCK_BYTES = 4096  # the disk space of the smallest file
MAX_IDLE_S = 600.0  # time after which an upload that nobody processes is deleted
MAX_USE_S = (
    3600.0  # the same for one that waits in the queue, and for an annotated video since it was last played
)
SWEEP_INTERVAL_S = 60.0


class StorageFullError(ValueError):
    """There is no space for another upload."""


class UploadStore:
    """The files of uploads and annotated videos in `folder`, which together take at most `max_bytes`.

    Safe to use from several threads.
    """

    def __init__(self, folder: Path, max_bytes: float):
        self.given_folder, self.folder, self.max_bytes = folder, folder.resolve(), max_bytes
        self.expiry: dict[
            Path, float
        ] = {}  # file -> time at which it may be deleted, in seconds since the epoch
        self.reserved_bytes = 0  # by uploads that are being received
        self.lock = threading.Lock()

    def contains(self, path: str) -> bool:
        """Return whether a path is that of an upload: an absolute path of a regular file in this folder."""
        try:
            file = Path(path)
            # First by its name alone: on Windows, looking at a path of another machine sends it the user's credentials.
            if not any(file.is_relative_to(folder) for folder in (self.given_folder, self.folder)):
                return False
            return file.resolve().is_relative_to(self.folder) and file.is_file()
        except (OSError, ValueError, RuntimeError):  # too long, with a null character, or a cycle of links
            return False

    @contextmanager
    def reserve(self, n_bytes: int) -> Iterator[None]:
        """Reserve space while an upload is received. While it is, its part that is stored already counts twice.

        Raises:
            StorageFullError: the files that are in use leave too little space.
        """
        with self.lock:
            if not self._has_space(n_bytes):
                self._sweep()
            if not self._has_space(n_bytes):
                raise StorageFullError("The server's space for uploads is used up. Try again later.")
            self.reserved_bytes += n_bytes
        try:
            yield
        finally:
            with self.lock:
                self.reserved_bytes -= n_bytes

    def keep(self, path: str | Path) -> None:
        """Keep a file for MAX_USE_S from now."""
        with self.lock:
            self.expiry[Path(path).resolve()] = time.time() + MAX_USE_S

    def sweep(self) -> None:
        """Delete all files that are not in use, and the folders that Gradio created for them."""
        with self.lock:
            self._sweep()

    def start_sweeping(self) -> None:
        """Sweep every SWEEP_INTERVAL_S in a thread, until Python exits."""

        def sweep_forever() -> None:
            while True:
                time.sleep(SWEEP_INTERVAL_S)
                self.sweep()

        threading.Thread(target=sweep_forever, name="sweep uploads", daemon=True).start()

    def _has_space(self, n_bytes: int) -> bool:
        stored_bytes = sum(max(size, BLOCK_BYTES) for _, size, _ in self._list_files())
        return stored_bytes + self.reserved_bytes + n_bytes <= self.max_bytes

    def _sweep(self) -> None:
        now, remaining = time.time(), set()
        for path, _, modified in self._list_files():
            if max(modified + MAX_IDLE_S, self.expiry.get(path, 0)) > now:
                remaining.add(path)
                continue
            with suppress(OSError):  # another thread has deleted it, or has it open on Windows
                path.unlink() if path.parent == self.folder else delete_upload(path)
        self.expiry = {path: expiry for path, expiry in self.expiry.items() if path in remaining}

    def _list_files(self) -> list[tuple[Path, int, float]]:
        """Return the path, the size in bytes and the time of modification of each file."""
        files = []
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder, name) for name in names):
                with suppress(OSError):  # it was deleted meanwhile
                    status = path.lstat()
                    files.append((path, status.st_size, status.st_mtime))
        return files


def delete_upload(path: Path) -> None:
    """Delete an uploaded file and the folder that Gradio created for it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # it is not empty
        path.parent.rmdir()


def describe_error(error: Exception, upload: Path | None = None) -> str:
    """Return an error's message for the page, with the name of the upload instead of its path on the server."""
    message = f"{error} is missing." if isinstance(error, KeyError) else format_error(error)
    return printable(message.replace(str(upload), upload.name) if upload else message)
