"""The log of results: its rows, unreadable files, resuming after a kill at any byte, and bounded memory."""

import csv
import errno
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision.face import Face
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import ResultsLog, crop_row, to_rows
from pipeline.vision.results_table import Row

METADATA = {"images": ("a", "b \udcff"), "tta": 2}  # a file's name need not be UTF-8
NAMES = ("a.png", "b.png", "Ünïcode 顔.jpg", "c.png", "d.png")


def make_predictions(n: int = 2) -> list[FacePrediction]:
    probabilities = np.random.default_rng(n).dirichlet(np.ones(7), n).astype(np.float32)
    return [
        FacePrediction(Face((index - 0.25, 2.04, 30.0, 40.06), 0.9), probabilities[index], index + 1)
        for index in range(n)
    ]


def make_video_rows(n_frames: int = 3) -> Iterator[Row]:
    for frame in range(1, n_frames + 1):
        yield from to_rows("video.mp4", make_predictions(1), frame, frame / 7.5)


def read_table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


# --------------------------------------------------------------------------------------------------
# Rows
# --------------------------------------------------------------------------------------------------
def test_a_row_has_the_box_the_emotion_and_seven_probabilities():
    (prediction,) = make_predictions(1)
    (row,) = to_rows("a.mp4", [prediction], 3, 0.12345)
    assert (row["file"], row["frame"], row["seconds"], row["face"]) == ("a.mp4", 3, 0.123, 1)
    assert [row[name] for name in ("left", "top", "width", "height")] == [-0.2, 2.0, 30.0, 40.1]
    assert row["roll"] == 0.0 and row["score"] == 0.9
    np.testing.assert_allclose([row[name] for name in EMOTIONS], prediction.probabilities, atol=6e-5)
    assert row["emotion"] == prediction.emotion and row["confidence"] == max(row[name] for name in EMOTIONS)
    assert sum(row[name] for name in EMOTIONS) == pytest.approx(1, abs=4e-4)


def test_an_image_without_a_face_has_a_row_with_a_note():
    (row,) = to_rows("a.jpg", [])
    assert row["note"] == "no face found" and "emotion" not in row


def test_the_emotion_is_chosen_before_rounding():
    probabilities = np.array([0.30001, 0, 0, 0.30002, 0.3, 0.09997, 0], np.float32)
    row = crop_row("a", 1, probabilities)
    assert row["Angry"] == row["Happy"] and row["emotion"] == "Happy"


# --------------------------------------------------------------------------------------------------
# Tables
# --------------------------------------------------------------------------------------------------
def test_finish_writes_the_tables_and_deletes_the_log(tmp_path):
    log = ResultsLog(tmp_path / "results", METADATA)
    log.add_file("a", to_rows("a", make_predictions()))
    assert file_names(tmp_path) == [log.log_path.name]
    log.finish(("csv", "jsonl"))
    assert file_names(tmp_path) == ["results.csv", "results.jsonl"]
    assert [row["file"] for row in read_table(tmp_path / "results.csv")] == ["a", "a"]


def test_finish_removes_the_tables_of_another_run_in_other_formats(tmp_path):
    for formats in (("csv", "jsonl"), ("jsonl",), ("csv",)):
        log = ResultsLog(tmp_path / "results", METADATA)
        log.add_file("a", to_rows("a", make_predictions()))
        log.finish(formats)
        assert file_names(tmp_path) == [f"results.{name}" for name in formats]


def test_notes_are_in_the_first_row_of_a_file():
    rows = to_rows("a.jpg", make_predictions(), notes=("cut off", "reduced"))
    assert [row.get("note") for row in rows] == ["cut off; reduced", None]
    (row,) = to_rows("a.jpg", [], notes=("cut off",))
    assert row["note"] == "no face found; cut off"
    assert crop_row("a.jpg", 1, make_predictions(1)[0].probabilities, ("cut off",))["note"] == "cut off"


def test_an_unfinished_or_discarded_run_keeps_the_previous_tables(tmp_path):
    table = tmp_path / "results.csv"
    table.write_text("previous")
    log = ResultsLog(tmp_path / "results", METADATA)
    log.add_file("x", to_rows("x", make_predictions()))
    assert table.read_text() == "previous"
    log.discard()
    assert table.read_text() == "previous" and file_names(tmp_path) == ["results.csv"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    log = ResultsLog(tmp_path / "results", METADATA)
    (row,) = to_rows("long.mp4", make_predictions(1), 1, 0.0)
    log.add_file("long.mp4", [row])
    tracemalloc.start()
    log.add_file("longer.mp4", (row | {"frame": frame} for frame in range(5_000)))
    log.finish(("csv", "jsonl"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e5, peak  # a list of the rows takes 10 MB
    assert len(read_table(tmp_path / "results.csv")) == 5_001


# --------------------------------------------------------------------------------------------------
# Errors and resuming
# --------------------------------------------------------------------------------------------------
def failing_rows(error: Exception) -> Iterator[Row]:
    yield from to_rows("bad", make_predictions(1), 1, 0.0)
    raise error


@pytest.mark.parametrize("error", [ValueError("bad is\nbroken \udcff."), PermissionError(13, "no", "bad")])
def test_an_unreadable_file_keeps_its_first_rows_and_gets_a_reason(tmp_path, error):
    with ResultsLog(tmp_path / "results", METADATA) as log:
        log.add_file("bad", failing_rows(error))
        log.add_file("good", to_rows("good", []))
        first, unreadable, good = log.rows()
    assert first["emotion"] and good["note"] == "no face found"
    assert unreadable["note"].startswith("not read: ") and "bad" in unreadable["note"]
    assert "\n" not in unreadable["note"]


TORN_ENDS = [
    b"", b'{"file": "b", "fra', b'{"completed": "b"}', b'{"file": "b", "note": "x"}\n', b'{"file": "b"}\n\0\0\0',
    b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("torn_end", TORN_ENDS)
def test_a_run_killed_at_any_byte_resumes_to_the_table_of_an_unbroken_run(tmp_path, torn_end):
    rows_of_file = {name: to_rows(name, make_predictions(n)) for n, name in enumerate(NAMES)}
    rows_of_file["video.mp4"] = list(make_video_rows())
    unbroken = ResultsLog(tmp_path / "unbroken" / "results", METADATA)
    for name, rows in rows_of_file.items():
        unbroken.add_file(name, rows)
    unbroken.finish(("csv",))

    with ResultsLog(tmp_path / "results", METADATA) as killed:
        for name in NAMES[:4]:
            killed.add_file(name, rows_of_file[name])
    with open(killed.log_path, "ab") as file:
        file.write(torn_end)
    resumed = ResultsLog(tmp_path / "results", METADATA, resume=True)
    assert resumed.completed == set(NAMES[:4])
    for name, rows in rows_of_file.items():
        if name not in resumed.completed:
            resumed.add_file(name, rows)
    resumed.finish(("csv",))
    expected = (tmp_path / "unbroken" / "results.csv").read_bytes()
    assert (tmp_path / "results.csv").read_bytes() == expected
    assert file_names(tmp_path) == ["results.csv"]


@pytest.mark.parametrize(
    "other", [{"tta": 18}, {"images": ["a"]}, {"images": ["a", "b"]}, {"model": "0" * 64}], ids=str
)
def test_a_run_with_other_settings_leaves_an_unfinished_log_alone(tmp_path, other):
    with ResultsLog(tmp_path / "results", METADATA) as interrupted:
        interrupted.add_file("a", to_rows("a", make_predictions()))
    with ResultsLog(tmp_path / "results", METADATA | other, resume=True) as log:
        assert log.completed == set() and log.list_others() == [interrupted.log_path]
        log.add_file("b", to_rows("b", []))
        log.finish(("csv",))
    with ResultsLog(tmp_path / "results", METADATA, resume=True) as resumed:
        assert resumed.completed == {"a"} and resumed.list_others() == []


MACHINE_ERRORS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EROFS, "Read-only file system"),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    MemoryError("8 GB"),
]


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize("error", MACHINE_ERRORS, ids=repr)
def test_an_error_of_the_machine_stops_the_run_and_is_not_booked_to_the_file(tmp_path, error, is_wrapped):
    def read() -> Iterator[Row]:
        yield from to_rows("b", make_predictions())
        if is_wrapped:
            raise ValueError("b cannot be read as an image") from error
        raise error

    with pytest.raises(type(error)), ResultsLog(tmp_path / "results", METADATA) as log:
        log.add_file("a", to_rows("a", []))
        log.add_file("b", read())
    with ResultsLog(tmp_path / "results", METADATA, resume=True) as log:
        assert log.completed == {"a"} and [row["file"] for row in log.rows()] == ["a"]


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EIO, errno.EISDIR])
def test_an_error_of_a_file_is_booked_to_it(tmp_path, number):
    def read() -> Iterator[Row]:
        yield from ()
        raise OSError(number, "error", "a")

    with ResultsLog(tmp_path / "results", METADATA) as log:
        log.add_file("a", read())
        assert [row["note"][:8] for row in log.rows()] == ["not read"]


@pytest.mark.parametrize("case", ["no resume", "torn first line", "empty"])
def test_a_log_that_cannot_be_resumed_starts_from_scratch(tmp_path, case):
    with ResultsLog(tmp_path / "results", METADATA) as killed:
        killed.add_file("a", to_rows("a", make_predictions()))
    if case == "torn first line":
        killed.log_path.write_bytes(b'{"metadata": {"ima')
    if case == "empty":
        killed.log_path.write_bytes(b"")
    with ResultsLog(tmp_path / "results", METADATA, resume=case != "no resume") as log:
        assert log.completed == set() and list(log.rows()) == []
        log.add_file("b", to_rows("b", []))
    with ResultsLog(tmp_path / "results", METADATA, resume=True) as log:
        assert log.completed == {"b"} and [row["file"] for row in log.rows()] == ["b"]
