"""Keep Gradio's files private and its telemetry off."""

import atexit
import os
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX, LOCK_NAME = "faces-", "in_use.lock"
MIN_LEFTOVER_AGE_S = 2.0  # a younger folder may be one that another process has not locked yet


def create_private_dir() -> Path:
    """Create a folder that only this user can read, and make Gradio and tempfile write there.

    Call it before the first import of Gradio, which reads these environment variables. By default Gradio reports its
    usage and stores uploads in a folder that other users can read. The folder is deleted when Python exits, and one
    that a killed process has left is deleted now.
    """
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = FileLock(folder / LOCK_NAME)
    lock.acquire()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(lock.release)  # runs first: Windows deletes no open file
    files = folder / "files"
    files.mkdir()
    tempfile.tempdir = str(files)
    os.environ["GRADIO_TEMP_DIR"] = str(files)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(
        10**9
    )  # events between two statistics, made by pandas
    os.environ["HF_HUB_OFFLINE"] = "1"
    return files


def remove_leftovers() -> None:
    """Delete the folders of processes that were killed: those whose lock is free."""
    for lock_path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK_NAME}"):
        try:
            if time.time() - lock_path.stat().st_mtime < MIN_LEFTOVER_AGE_S:
                continue
            with FileLock(lock_path, timeout=0):
                pass
        except (OSError, Timeout):  # another user's, or in use
            continue
        shutil.rmtree(lock_path.parent, ignore_errors=True)
