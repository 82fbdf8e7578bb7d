"""Write the rows of recognized faces as CSV, JSON lines or Parquet."""

import csv
import importlib.util
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

from pipeline.data.fer2013 import EMOTIONS, Emotions

Row = dict[str, Any]
TableFormat = Literal["csv", "jsonl", "parquet"]
COLUMN_TYPES = {
    "file": str,
    "emotion": str,
    "note": str,
    "frame": int,
    "face": int,
}  # all other columns: float
FORMULA_PREFIXES = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
)  # a spreadsheet runs a cell that starts with one as a formula
PARQUET_BATCH_ROWS = 10_000


def list_columns(emotions: Emotions) -> tuple[str, ...]:
    """Return the columns of a table, of which each emotion has one for its probability."""
    return (
        "file", "frame", "seconds", "face", "left", "top", "width", "height", "roll", "score",
        "emotion", "confidence", *emotions, "note",
    )  # fmt: skip


COLUMNS = list_columns(EMOTIONS)  # of FER2013's emotions


def write_csv(rows: Iterator[Row], path: Path, columns: tuple[str, ...] = COLUMNS) -> None:
    """Write rows as a CSV file."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        write_csv_to(file, rows, columns)


def write_csv_to(
    file: TextIO, rows: Iterable[Row], columns: tuple[str, ...] = COLUMNS, header: bool = True
) -> None:
    """Write rows as CSV to an open file, with the cells escaped that a spreadsheet would run as formulas.

    Args:
        columns: of the table, which the rows may lack.
        header: whether to write the names of the columns first.
    """
    table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    if header:
        table.writeheader()
    for row in rows:
        table.writerow({name: escape_formula(value) for name, value in row.items()})


def escape_formula(value: Any) -> Any:
    """Put an apostrophe in front of text that a spreadsheet would run as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_PREFIXES) else value


def write_jsonl(rows: Iterator[Row], path: Path, columns: tuple[str, ...] = COLUMNS) -> None:
    """Write rows as a file of JSON lines, which have the columns that a row has."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_parquet(rows: Iterator[Row], path: Path, columns: tuple[str, ...] = COLUMNS) -> None:
    """Write rows as a Parquet file that has all columns."""
    import pyarrow as pa
    import pyarrow.parquet

    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, types[COLUMN_TYPES.get(name, float)]) for name in columns])
    with pa.parquet.ParquetWriter(path, schema) as table:
        while batch := list(islice(rows, PARQUET_BATCH_ROWS)):
            table.write_table(pa.Table.from_pylist(batch, schema))


def check_formats(formats: Iterable[TableFormat]) -> None:
    """Raise ImportError for a format whose package is missing; call it before the work, not after hours of it."""
    if "parquet" in formats and not importlib.util.find_spec("pyarrow"):
        raise ImportError("Parquet needs the package pyarrow. Run: python3 -m pip install pyarrow")


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
