"""A fingerprint covers what is read, by relative path and content, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.workflow.fingerprint import compute_fingerprint, find_changed

SUFFIXES = (".png", ".jpg")


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with `faces`, which has images in subfolders, and a CSV."""
    for number, name in enumerate(("train/happy/a.png", "train/sad/b.jpg", "test/sad/\udcff.PNG")):
        path = tmp_path / "root" / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]))
    (tmp_path / "root" / "Dataset.csv").write_text("one")
    return tmp_path / "root"


def find_changes(root: Path, change) -> str:
    names = ("Dataset.csv", "fer2013.csv", "faces")
    fingerprints = {name: compute_fingerprint(root / name, SUFFIXES) for name in names}
    change(root)
    memory: dict[str, str] = {}
    first = find_changed(fingerprints, root, memory)
    assert find_changed(fingerprints, root, memory) == first
    return first


def add_file(name: str, content: str = "new"):
    def add(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)

    return add


def rename(old: str, new: str):
    return lambda root: (root / old).rename(root / new)


UNCHANGED = {
    "nothing": lambda root: None,
    "Finder": add_file("faces/.DS_Store"),
    "Finder in a subfolder": add_file("faces/train/happy/.DS_Store"),
    "resource fork": add_file("faces/train/happy/._a.png"),
    "archive of macOS": add_file("faces/__MACOSX/a.png"),
    "Explorer": add_file("faces/train/Thumbs.db"),
    "text": add_file("faces/README.md"),
    "empty folder": lambda root: (root / "faces" / "val").mkdir(),
    "times": lambda root: [os.utime(path, (1, 1)) for path in root.rglob("*")],
    "copied": lambda root: (shutil.move(root / "faces", root / "c"), shutil.copytree(root / "c", root / "faces")),
    "renamed CSV": rename("Dataset.csv", "fer2013.csv"),
    "copied CSV": lambda root: shutil.copy(root / "Dataset.csv", root / "fer2013.csv"),
    "deleted CSV": lambda root: (root / "Dataset.csv").unlink(),
}  # fmt: skip
CHANGED = {
    "image added": (add_file("faces/train/sad/c.png"), "faces"),
    "image with a capital suffix added": (add_file("faces/train/sad/c.JPG"), "faces"),
    "image deleted": (lambda root: (root / "faces/train/sad/b.jpg").unlink(), "faces"),
    "image altered": (add_file("faces/train/sad/b.jpg"), "faces"),
    "image moved to another emotion": (rename("faces/train/sad/b.jpg", "faces/train/happy/b.jpg"), "faces"),
    "folder renamed": (rename("faces/train/sad", "faces/train/angry"), "faces"),
    "images swapped": (
        lambda root: [add_file("faces/train/sad/b.jpg", "\0")(root), add_file("faces/train/happy/a.png", "\1")(root)],
        "faces",
    ),
    "CSV altered": (add_file("Dataset.csv", "two"), "Dataset.csv"),
    "CSV appeared": (add_file("fer2013.csv", "two"), "fer2013.csv"),
    "folder replaced by a file": (lambda root: (shutil.rmtree(root / "faces"), add_file("faces")(root)), "faces"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_is_not_read_changes_nothing(root, name):
    assert find_changes(root, UNCHANGED[name]) == ""


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_of_what_is_read_is_found(root, name):
    change, expected = CHANGED[name]
    assert find_changes(root, change) == expected


def test_a_moved_project_is_unchanged(root, tmp_path):
    fingerprints = {name: compute_fingerprint(root / name, SUFFIXES) for name in ("Dataset.csv", "faces")}
    root.rename(tmp_path / "moved")
    assert find_changed(fingerprints, tmp_path / "moved") == ""
    (tmp_path / "moved" / "faces" / "train" / "sad" / "b.jpg").write_text("new")
    assert find_changed(fingerprints, tmp_path / "moved") == "faces"
