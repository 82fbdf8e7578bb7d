"""What was recognized, a row a face: written down as it comes, gone on with after a kill, made into tables at the end.

While the work goes on, rows stand in a file of JSON lines beside the tables that they become; a line tells when a file
is done with. Memory stays the same however many rows there are.
"""

import csv
import importlib.util
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

from pipeline.data.fer2013 import EMOTIONS

Row = dict[str, Any]
TableFormat = Literal["csv", "jsonl", "parquet"]
COLUMNS = (
    "file", "frame", "seconds", "face", "left", "top", "width", "height", "roll", "emotion", "confidence", *EMOTIONS,
    "note",
)  # fmt: skip
COLUMN_TYPES = {
    "file": str,
    "emotion": str,
    "note": str,
    "frame": int,
    "face": int,
}  # of what may be left out; else float
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one


def write_csv(rows: Iterator[Row], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        write_csv_to(file, rows)


def write_csv_to(file: TextIO, rows: Iterable[Row]) -> None:
    """As spreadsheets read it; a cell that they would run as a formula gets an apostrophe in front."""
    table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: escape_formula(value) for name, value in row.items()})


def escape_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_PREFIXES) else value


def write_jsonl(rows: Iterator[Row], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_parquet(rows: Iterator[Row], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, types[COLUMN_TYPES.get(name, float)]) for name in COLUMNS])
    with pa.parquet.ParquetWriter(path, schema) as table:
        batch: list[Row] = []
        for row in rows:
            batch.append(row)
            if len(batch) == 10_000:
                table.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        table.write_table(pa.Table.from_pylist(batch, schema))


def check_formats(formats: Iterable[TableFormat]) -> None:
    """Raise ImportError for a format whose package is missing, before hours of work and not after them."""
    if "parquet" in formats and not importlib.util.find_spec("pyarrow"):
        raise ImportError("Parquet needs the package pyarrow. Run: python -m pip install pyarrow")


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
