"""The annotated copies of a run have names of their own, and replace those of the previous run in one act."""

import errno
from pathlib import Path

import numpy as np
import pytest

from pipeline.vision.annotated_copies import AnnotatedCopies
from pipeline.vision.image_classifier import describe_copy_error, save_copy
from pipeline.workflow.atomic_io import TEMPORARY_PREFIX

IMAGE = np.zeros((20, 30, 3), np.uint8)


def save(copies: AnnotatedCopies, name: str | Path, image: np.ndarray = IMAGE) -> tuple[str, ...]:
    """Save the copy of a file; return the note if it cannot be written."""
    return save_copy(image, copies.copy_path(Path(name)))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "results" / "classified"


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def assigned_names(*files: str) -> list[str]:
    """Return the names of all copies and, for videos, charts."""
    copies = AnnotatedCopies(Path("none/classified"), [Path(file) for file in files])
    pairs = [copies.names[Path(file)] for file in files]
    return [
        name.as_posix()
        for file, pair in zip(files, pairs, strict=True)
        for name in (pair if file.endswith(("mp4", "avi", "mov")) else pair[:1])
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.jpg", "a.PNG"], ["a.jpg", "a.PNG"]),
        (["a.heic", "a.jp2", "a"], ["a.heic.jpg", "a.jp2.jpg", "a.jpg"]),
        (["in/a.jpg", "b.jpg"], ["in/a.jpg", "b.jpg"]),
        (["clip.mp4", "clip.mp4.png"], ["clip.mp4", "clip.mp4.png", "clip.mp4 (2).png"]),
        (["clip.avi", "clip.avi.mp4"], ["clip.avi.mp4", "clip.avi.png", "clip.avi (2).mp4", "clip.avi (2).mp4.png"]),
        (["a.heic", "a.heic.jpg"], ["a.heic.jpg", "a.heic (2).jpg"]),
        (["x.jpg", "X.jpg", "x (2).jpg"], ["x.jpg", "X (2).jpg", "x (2) (2).jpg"]),
    ],
)  # fmt: skip
def test_no_two_files_have_a_copy_of_the_same_name(tmp_path, monkeypatch, files, expected):
    monkeypatch.chdir(tmp_path)
    assert assigned_names(*files) == expected


@pytest.mark.parametrize("name", ["a" * 240, "a" * 251, "ü" * 122, "顔" * 83])
@pytest.mark.parametrize("extension", [".jpg", ".heic", ".mp4", ".avi"])
def test_long_names_are_shortened_so_that_they_fit(tmp_path, monkeypatch, name, extension):
    monkeypatch.chdir(tmp_path)
    for copy in assigned_names(f"{name}{extension}", "b.jpg"):
        assert len(copy.encode()) <= 255
        Path(copy).write_bytes(b"")
    copies = AnnotatedCopies(tmp_path / "classified", [Path("long" + name + ".jpg"[: 251 - len(name)])])
    assert save(copies, next(iter(copies.names))) == ()


def test_copies_of_another_run_are_replaced(folder):
    for names in (["a.jpg", "b/c.png"], ["d.jpg"]):
        copies = AnnotatedCopies(folder, [Path(name) for name in names])
        before = names_in(folder)
        for name in names:
            assert save(copies, name) == ()
        assert names_in(folder) == before
        copies.publish()
        assert names_in(folder) == names
    assert [path.name for path in folder.parent.iterdir()] == ["classified"]


def test_a_run_without_copies_removes_those_of_another(folder):
    for name in ("a.jpg", None):
        copies = AnnotatedCopies(folder, [Path("a.jpg")])
        if name:
            save(copies, name)
        copies.publish()
    assert list(folder.parent.iterdir()) == []


def test_a_resumed_run_keeps_its_copies_and_another_run_does_not(folder):
    files = [Path("a.jpg"), Path("b.jpg")]
    save(AnnotatedCopies(folder, files), files[0])
    resumed = AnnotatedCopies(folder, files, is_resumed=True)
    save(resumed, files[1])
    resumed.publish()
    assert names_in(folder) == ["a.jpg", "b.jpg"]
    AnnotatedCopies(folder, files, is_resumed=True).publish()  # killed after it had been published
    assert names_in(folder) == ["a.jpg", "b.jpg"]
    save(AnnotatedCopies(folder, files), files[0])
    copies = AnnotatedCopies(folder, files)
    save(copies, files[1])
    copies.publish()
    assert names_in(folder) == ["b.jpg"]


def test_a_discarded_run_keeps_the_copies_of_the_previous_one(folder):
    save(AnnotatedCopies(folder, [Path("a.jpg")]), "a.jpg")
    AnnotatedCopies(folder, [Path("a.jpg")], is_resumed=True).publish()
    copies = AnnotatedCopies(folder, [Path("b.jpg")])
    save(copies, "b.jpg")
    copies.discard()
    assert names_in(folder) == ["a.jpg"]
    assert [path.name for path in folder.parent.iterdir()] == ["classified"]


@pytest.mark.parametrize("name", ["a.webp", "blocked/a.jpg", "a.jpg"])
def test_a_copy_that_cannot_be_written_is_a_note(folder, name):
    copies = AnnotatedCopies(folder, [Path(name), Path("z.jpg")])
    (copies.unfinished / "blocked").write_bytes(b"")
    (copies.unfinished / "a.jpg").mkdir()
    image = np.zeros((20, 20_000, 3), np.uint8)  # too wide for WebP
    (note,) = save(copies, name, image)
    assert note.startswith("no annotated copy")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_the_run(number):
    with pytest.raises(OSError, match="full"):
        describe_copy_error(OSError(number, "full"))
    assert describe_copy_error(OSError(errno.EACCES, "denied")) == "no annotated copy (denied)"


def test_what_a_killed_process_left_is_not_published(folder):
    copies = AnnotatedCopies(folder, [Path("a.jpg"), Path("b/c.jpg")])
    save(copies, "b/c.jpg")
    leftover = copies.unfinished / "b" / f"{TEMPORARY_PREFIX}7-a.jpg"
    leftover.write_bytes(b"torn")
    copies.publish()
    assert [path.name for path in (folder / "b").iterdir()] == ["c.jpg"]
