"""Test that the private folder of a page that was killed is deleted, and only that."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from filelock import FileLock
from helpers import ROOT

from pipeline.web import private_dir


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def create_folder(parent, name: str, age_s: float = 60.0):
    folder = parent / name
    (folder / "files" / "upload").mkdir(parents=True)
    (folder / "files" / "upload" / "me.png").touch()
    lock = folder / private_dir.LOCK_NAME
    lock.touch()
    os.utime(lock, (time.time() - age_s,) * 2)
    return folder


def test_folder_of_a_killed_process_is_deleted(tmp_path):
    for index in range(3):
        create_folder(tmp_path, f"faces-{index}")
    private_dir.remove_leftovers()
    assert list(tmp_path.iterdir()) == []


def test_folder_in_use_is_kept(tmp_path):
    folder = create_folder(tmp_path, "faces-used")
    with FileLock(folder / private_dir.LOCK_NAME):
        os.utime(folder / private_dir.LOCK_NAME, (0, 0))
        private_dir.remove_leftovers()
    assert (folder / "files" / "upload" / "me.png").is_file()


def test_folders_of_others_and_new_ones_are_kept(tmp_path):
    create_folder(tmp_path, "faces-new", age_s=0)
    create_folder(tmp_path, "holiday")
    (tmp_path / "faces-of-friends").mkdir()
    private_dir.remove_leftovers()
    assert len(list(tmp_path.iterdir())) == 3


def test_private_folder_is_for_gradio_and_tempfile(tmp_path, monkeypatch):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")
    files = private_dir.create_private_dir()
    assert files.parent.parent == tmp_path and os.environ["GRADIO_TEMP_DIR"] == str(files)
    assert tempfile.gettempdir() == str(files)
    assert os.name == "nt" or files.parent.stat().st_mode & 0o077 == 0


SERVE = """
import time
from pipeline.web.private_dir import create_private_dir
from pipeline.workflow.processes import exit_on_termination
with exit_on_termination():
    (create_private_dir() / "upload.jpg").write_bytes(b"face")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_folder_of_a_process_that_a_signal_ends_is_deleted(tmp_path, name):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n" and list(tmp_path.rglob("upload.jpg"))
    process.send_signal(getattr(signal, name))
    process.communicate()
    assert list(tmp_path.iterdir()) == []
