"""What was recognized is kept through a kill, told alike in every format, and takes no more memory for more rows."""

import csv
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision import results_table
from pipeline.vision.face import Face
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import ResultsLog, crop_row, to_rows
from pipeline.workflow.formatting import printable

ABOUT = {"images": ("a", "b \udcff"), "tta": 2}  # a name need not be UTF-8


def faces(number: int = 2) -> list[FacePrediction]:
    rng = np.random.default_rng(number)
    answers = rng.dirichlet(np.ones(7), number).astype(np.float32)
    return [
        FacePrediction(Face((n - 0.25, 2.04, 30.0, 40.06), 0.9), answers[n], n + 1) for n in range(number)
    ]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --------------------------------------------------------------------------------------------------
# Rows
# --------------------------------------------------------------------------------------------------
def test_a_row_tells_the_box_the_emotion_and_seven_probabilities():
    (face,) = faces(1)
    (row,) = to_rows("a.mp4", [face], 3, 0.12345)
    assert (row["file"], row["frame"], row["seconds"], row["face"]) == ("a.mp4", 3, 0.123, 1)
    assert [row[name] for name in ("left", "top", "width", "height")] == [-0.2, 2.0, 30.0, 40.1]
    np.testing.assert_allclose([row[name] for name in EMOTIONS], face.probabilities, atol=6e-5)
    assert row["emotion"] == face.emotion and row["confidence"] == max(row[name] for name in EMOTIONS)
    assert sum(row[name] for name in EMOTIONS) == pytest.approx(1, abs=4e-4)
    (row,) = to_rows("a.jpg", [])
    assert row["note"] == "no face found" and "emotion" not in row


def test_the_emotion_is_the_likeliest_even_where_rounding_hides_it():
    probabilities = np.array([0.3, 0, 0, 0.30001, 0.39999, 0, 0], np.float32)
    probabilities[4] = 0.3
    assert crop_row("a", 1, probabilities)["emotion"] == "Happy"


# --------------------------------------------------------------------------------------------------
# Tables
# --------------------------------------------------------------------------------------------------
NAMES = (
    "=1+1.png",
    "+a",
    "-b.png",
    "@c",
    "a, b; \"c\" 'd'.png",
    "Ünïcode 顔.jpg",
    printable("line\nbreak \udcff"),
)


def written(folder: Path, formats: tuple[str, ...]) -> Path:
    told = ResultsLog(folder / "told", ABOUT)
    for number, name in enumerate(NAMES):
        told.add_file(name, to_rows(name, faces(number)))
    told.add_file(
        "film.mp4", (row for n in range(3) for row in to_rows("film.mp4", faces(1), n + 1, n / 7.5))
    )
    told.finish(formats)
    return folder / "told"


def test_cells_that_a_spreadsheet_would_run_are_made_harmless(tmp_path):
    rows = table(written(tmp_path, ("csv",)).with_suffix(".csv"))
    named = list(dict.fromkeys(row["file"] for row in rows))
    assert named == ["'=1+1.png", "'+a", "'-b.png", "'@c", *NAMES[4:], "film.mp4"]
    assert rows[1]["left"] == "-0.2"  # a number is none
    assert not any(
        value.startswith(results_table.FORMULA_PREFIXES[:4])
        for row in rows
        for value in (row["file"], row["note"])
    )


def test_json_lines_hold_the_same_rows_as_the_csv(tmp_path):
    path = written(tmp_path, ("csv", "jsonl"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["told.csv", "told.jsonl"]
    lines = path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    rows = table(path.with_suffix(".csv"))
    assert len(lines) == len(rows) == 1 + sum(range(len(NAMES))) + 3
    for row, line in zip(rows, lines, strict=True):
        told = {name: "" if value is None else str(value) for name, value in json.loads(line).items()}
        assert {name: value.removeprefix("'") for name, value in row.items() if value} == {
            name: value for name, value in told.items() if value
        }


def test_parquet_holds_the_same_rows(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = written(tmp_path, ("jsonl", "parquet"))
    wanted = [
        json.loads(line) for line in path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = parquet.read_table(path.with_suffix(".parquet")).to_pylist()
    empty = dict.fromkeys(results_table.COLUMNS)
    assert rows == [empty | row for row in wanted]


def test_parquet_without_its_package_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(results_table.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"Parquet needs the package pyarrow\. Run: python -m pip"):
        results_table.check_formats(("csv", "parquet"))
    results_table.check_formats(("csv", "jsonl"))


def test_where_nothing_is_finished_the_tables_of_before_stay(tmp_path):
    path = written(tmp_path, ("csv",)).with_suffix(".csv")
    before = path.read_bytes()
    told = ResultsLog(tmp_path / "told", ABOUT)
    told.add_file("x", to_rows("x", faces()))
    assert path.read_bytes() == before
    told.discard()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


# --------------------------------------------------------------------------------------------------
# Errors and kills
# --------------------------------------------------------------------------------------------------
def failing(error: Exception):
    yield from to_rows("bad", faces(1), 1, 0.0)
    raise error


@pytest.mark.parametrize("error", [ValueError("bad is\nbroken \udcff."), PermissionError(13, "no", "bad")])
def test_a_file_that_fails_is_noted_with_what_came_before_and_the_rest_goes_on(tmp_path, error):
    told = ResultsLog(tmp_path / "told", ABOUT)
    told.add_file("bad", failing(error))
    told.add_file("good", to_rows("good", []))
    first, reason, good = told.rows()
    assert first["emotion"] and reason["note"].startswith("not read: ") and "bad" in reason["note"]
    assert "\n" not in reason["note"] and good["note"] == "no face found"
    told.close()


TORN = [
    b"", b'{"file": "b", "fra', b'{"done": "b"}', b'{"file": "b", "note": "x"}\n', b'{"file": "b"}\n\0\0\0', b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("torn", TORN)
def test_after_a_kill_at_any_byte_the_table_is_that_of_an_unbroken_run(tmp_path, torn):
    unbroken = table(written(tmp_path / "unbroken", ("csv",)).with_suffix(".csv"))
    killed = ResultsLog(tmp_path / "told", ABOUT)
    for number, name in enumerate(NAMES[:4]):
        killed.add_file(name, to_rows(name, faces(number)))
    killed.close()
    with open(killed.unfinished, "ab") as file:
        file.write(torn)

    again = ResultsLog(tmp_path / "told", ABOUT, resume=True)
    assert again.done == set(NAMES[:4])
    for number, name in enumerate(NAMES):
        if name not in again.done:
            again.add_file(name, to_rows(name, faces(number)))
    again.add_file(
        "film.mp4", (row for n in range(3) for row in to_rows("film.mp4", faces(1), n + 1, n / 7.5))
    )
    again.finish(("csv",))
    assert table(tmp_path / "told.csv") == unbroken
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["told.csv"]


@pytest.mark.parametrize("case", ["other settings", "no resume", "torn first line", "empty"])
def test_a_journal_that_is_not_gone_on_with_starts_anew(tmp_path, case):
    killed = ResultsLog(tmp_path / "told", ABOUT)
    killed.add_file("a", to_rows("a", faces()))
    killed.close()
    if case == "torn first line":
        killed.unfinished.write_bytes(b'{"about": {"ima')
    if case == "empty":
        killed.unfinished.write_bytes(b"")
    about = ABOUT | {"tta": 18} if case == "other settings" else ABOUT
    again = ResultsLog(tmp_path / "told", about, resume=case != "no resume")
    assert again.done == set() and list(again.rows()) == []
    again.add_file("b", to_rows("b", []))
    again.close()
    once_more = ResultsLog(tmp_path / "told", about, resume=True)
    assert once_more.done == {"b"} and [row["file"] for row in once_more.rows()] == ["b"]
    once_more.close()


def test_thousands_of_rows_take_no_more_memory_than_a_few(tmp_path):
    told = ResultsLog(tmp_path / "told", ABOUT)
    (row,) = to_rows("long.mp4", faces(1), 1, 0.0)
    told.add_file("long.mp4", [row])
    tracemalloc.start()
    told.add_file("longer.mp4", (row | {"frame": n} for n in range(5_000)))
    told.finish(("csv", "jsonl"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e5, peak  # as a list they are 10 MB
    with open(tmp_path / "told.csv", encoding="utf-8") as file:
        assert sum(1 for _ in file) == 5_002
