"""A file appears complete or not at all, and concurrent writers do not disturb each other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workflow.atomic_io import atomic_write, write_json, write_text


def test_file_appears_at_the_end_and_replaces_the_previous_one(tmp_path):
    path = tmp_path / "new folder" / "x.txt"
    write_text(path, "previous")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "previous"
        assert temporary.parent == path.parent and temporary.suffix == path.suffix
    assert path.read_text() == "new" and os.listdir(path.parent) == ["x.txt"]


@pytest.mark.parametrize("keep_partial", [False, True])
def test_after_an_error_the_partial_file_is_kept_only_on_request(tmp_path, keep_partial):
    path = tmp_path / "x.txt"
    write_text(path, "previous")
    with pytest.raises(RuntimeError), atomic_write(path, keep_partial) as temporary:
        temporary.write_text("partial")
        raise RuntimeError
    assert path.read_text() == ("partial" if keep_partial else "previous")
    assert os.listdir(tmp_path) == ["x.txt"]


def test_temporary_files_of_dead_processes_are_deleted_and_those_of_running_ones_are_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process_id in (dead.pid, os.getppid()):
        (tmp_path / f".unfinished-{process_id}-x.txt").touch()
    (tmp_path / f".unfinished-{dead.pid}-y.txt").touch()
    write_text(tmp_path / "x.txt", "new")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"x.txt", f".unfinished-{os.getppid()}-x.txt", f".unfinished-{dead.pid}-y.txt"}


def test_old_temporary_files_are_deleted(tmp_path):
    leftover = tmp_path / f".unfinished-{os.getppid()}-x.txt"
    leftover.touch()
    os.utime(leftover, (1, 1))
    write_text(tmp_path / "x.txt", "new")
    assert not leftover.exists()


def test_json_may_hold_a_file_name_that_is_not_utf_8(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"name": os.fsdecode(b"\xff")})
    assert "udcff" in Path(path).read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="names are limited to 255 UTF-16 units there")
@pytest.mark.parametrize("name", ["a" * 244 + ".jpg", "a" * 255, "顔" * 83 + ".csv", "a." + "b" * 250])
def test_a_file_may_have_the_longest_name_that_the_file_system_allows(tmp_path, name):
    with atomic_write(tmp_path / name) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == Path(name).suffix or len(Path(name).suffix) > 20
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_of_a_dead_process_is_deleted(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leftover = tmp_path / f".unfinished-{dead.pid}-model"
    leftover.mkdir()
    (leftover / "x.txt").touch()
    write_text(tmp_path / "model", "new")
    assert os.listdir(tmp_path) == ["model"]
