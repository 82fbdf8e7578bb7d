"""Test the limit of what uploads take on the disk, and their deletion."""

import os
import time
from pathlib import Path

import pytest

from pipeline.web.uploads import BLOCK_BYTES, MAX_IDLE_S, MAX_USE_S, StorageFullError, UploadStore

MAX_BYTES = 10 * BLOCK_BYTES


@pytest.fixture
def store(tmp_path) -> UploadStore:
    (tmp_path / "uploads").mkdir()
    return UploadStore(tmp_path / "uploads", MAX_BYTES)


def write_upload(store: UploadStore, name: str, n_bytes: int = 1, age_s: float = 0) -> Path:
    path = store.folder / name / f"{name}.png"
    path.parent.mkdir()
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_uploads_beyond_the_total_are_refused_until_one_is_deleted(store):
    path = write_upload(store, "first", MAX_BYTES - 100)
    with pytest.raises(StorageFullError), store.reserve(101):
        pass
    with store.reserve(100):
        pass
    path.unlink()
    with store.reserve(MAX_BYTES):
        pass


def test_uploads_that_are_being_received_count(store):
    with store.reserve(MAX_BYTES - 100):
        with pytest.raises(StorageFullError), store.reserve(101):
            pass
        with store.reserve(100):
            pass
    with store.reserve(MAX_BYTES):
        pass


def test_many_small_files_count_as_much_as_they_take_on_the_disk(store):
    for index in range(10):
        write_upload(store, str(index), n_bytes=0)
    with pytest.raises(StorageFullError), store.reserve(1):
        pass


def test_space_of_an_upload_that_nobody_processes_is_used_again(store):
    path = write_upload(store, "old", MAX_BYTES, age_s=MAX_IDLE_S + 1)
    with store.reserve(MAX_BYTES):
        assert not path.parent.exists()


def test_sweep_deletes_what_is_not_in_use(store):
    old, new, waiting, forgotten = (
        write_upload(store, name, age_s=age_s)
        for name, age_s in (("old", 700), ("new", 1), ("waiting", 700), ("forgotten", 700))
    )
    store.keep(waiting)
    store.expiry[forgotten] = time.time() - 1
    store.sweep()
    assert not old.parent.exists() and not forgotten.exists()
    assert new.is_file() and waiting.is_file()
    assert MAX_IDLE_S < MAX_USE_S
    waiting.unlink()
    store.sweep()
    assert not store.expiry


def test_sweep_keeps_the_folder_itself(store):
    (store.folder / "old.tmp").touch()
    os.utime(store.folder / "old.tmp", (0, 0))
    store.sweep()
    assert list(store.folder.iterdir()) == []


def test_only_files_of_the_folder_are_uploads(store, tmp_path):
    path = write_upload(store, "mine")
    outside = tmp_path / "private.png"
    outside.touch()
    assert store.contains(str(path))
    others = [
        outside,
        path.parent,
        path.with_name("absent.png"),
        path.parent / ".." / ".." / ".." / "private.png",
        path.name,
        "http://evil.example/a.png",
        r"\\evil.example\share\a.png",
        "file:///etc/passwd",
        "",
        f"{path}\0",
        f"{store.folder}/{'x' * 5000}",
    ]
    assert [str(other) for other in others if store.contains(str(other))] == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_link_that_leads_out_of_the_folder_is_no_upload(store, tmp_path):
    (tmp_path / "private.png").touch()
    (store.folder / "link.png").symlink_to(tmp_path / "private.png")
    (store.folder / "cycle.png").symlink_to(store.folder / "cycle.png")
    assert not store.contains(str(store.folder / "link.png"))
    assert not store.contains(str(store.folder / "cycle.png"))
