"""The tables of results: the same rows in each format, and no cell that a spreadsheet would run."""

import csv
import io
import json

import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision import results_table
from pipeline.vision.results_table import (
    COLUMNS,
    Row,
    list_columns,
    write_csv,
    write_csv_to,
    write_jsonl,
    write_parquet,
)

NAMES = ("=1+1.png", "+a", "-b.png", "@c", "a, b; \"c\" 'd'.png", "Ünïcode 顔.jpg", "line\\nbreak \\xff")


@pytest.fixture
def rows() -> list[Row]:
    """Rows of faces and of files without a face, with and without optional columns."""
    face = {"face": 1, "left": -0.2, "top": 2.0, "width": 30.0, "height": 40.1, "roll": -3.5}
    face |= {"emotion": "Happy", "confidence": 0.4, **dict.fromkeys(EMOTIONS, 0.1), "Happy": 0.4}
    rows: list[Row] = [{"file": name, "frame": None, "seconds": None} | face for name in NAMES]
    rows += [{"file": "a.mp4", "frame": frame, "seconds": frame / 8} | face for frame in (1, 2)]
    return [*rows, {"file": "b.png", "note": "no face found"}, {"file": "c.png", "note": "=not read"}]


def test_a_csv_has_all_columns_in_their_order(tmp_path, rows):
    write_csv(iter(rows), tmp_path / "table.csv")
    lines = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(COLUMNS) and len(lines) == 1 + len(rows)
    assert COLUMNS[7:12] == ("height", "roll", "score", "emotion", "confidence") and COLUMNS[-1] == "note"


def test_cells_that_a_spreadsheet_would_run_are_escaped(rows):
    file = io.StringIO(newline="")
    write_csv_to(file, rows)
    cells = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["file"] for row in cells[:7]] == ["'=1+1.png", "'+a", "'-b.png", "'@c", *NAMES[4:]]
    assert cells[-1]["note"] == "'=not read"
    assert cells[0]["left"] == "-0.2" and cells[0]["roll"] == "-3.5"  # a number is no formula


def test_json_lines_have_the_rows_unescaped(tmp_path, rows):
    write_jsonl(iter(rows), tmp_path / "table.jsonl")
    lines = (tmp_path / "table.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows


@pytest.mark.slow  # imports pyarrow
@pytest.mark.parametrize("batch_rows", [4, 10_000])
def test_parquet_has_the_same_rows(tmp_path, rows, monkeypatch, batch_rows):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(results_table, "PARQUET_BATCH_ROWS", batch_rows)
    write_parquet(iter(rows), tmp_path / "table.parquet")
    assert parquet.read_table(tmp_path / "table.parquet").to_pylist() == [
        dict.fromkeys(COLUMNS) | row for row in rows
    ]


def test_parquet_without_pyarrow_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(results_table.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"Parquet.*pip install pyarrow"):
        results_table.check_formats(("csv", "parquet"))
    results_table.check_formats(("csv", "jsonl"))


@pytest.mark.parametrize(
    "emotions", [("Happy", "Sad"), (*EMOTIONS, "Contempt"), ("Wut", "Fröhlich", "Neutral")]
)
def test_each_emotion_of_the_network_has_a_column(tmp_path, emotions):
    rows = [{"file": "a.png", "emotion": emotions[0], **dict.fromkeys(emotions, 0.5)}, {"file": "b.png"}]
    columns = list_columns(emotions)
    write_csv(iter(rows), tmp_path / "rows.csv", columns)
    header, first, second = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    assert header.split(",")[12:-1] == list(emotions) and first.split(",")[12:-1] == ["0.5"] * len(emotions)
    assert second.count(",") == header.count(",")
