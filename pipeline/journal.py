"""What was recognised, a row a face: written down as it comes, gone on with after a kill, made into tables at the end.

While the work goes on, rows stand in a file of JSON lines beside the tables that they become; a line tells when a file
is done with. Memory stays the same however many rows there are.
"""

import csv
import importlib.util
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

from pipeline.dataset import EMOTIONS
from pipeline.files import shown, whole_or_not
from pipeline.recognition import Recognised

import numpy as np

Row = dict[str, Any]
Format = Literal["csv", "jsonl", "parquet"]
COLUMNS = (
    "file", "frame", "seconds", "face", "left", "top", "width", "height", "tilt", "emotion", "confidence", *EMOTIONS,
    "note",
)  # fmt: skip
TYPES = {
    "file": str,
    "emotion": str,
    "note": str,
    "frame": int,
    "face": int,
}  # of what may be left out; else float
NO_FACE, UNREAD = "no face found", "not read: "
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one


def rows_of(
    file: str, faces: list[Recognised], frame: int | None = None, seconds: float | None = None
) -> list[Row]:
    """A row for each face of a picture, or of a video's frame; one that says so where there is none."""
    where = {"file": file, "frame": frame, "seconds": None if seconds is None else round(seconds, 3)}
    if not faces:
        return [where | {"note": NO_FACE}]
    return [where | _of_face(face) for face in faces]


def row_of_crop(file: str, number: int, probabilities: np.ndarray) -> Row:
    """The row of a picture that is a face."""
    return {"file": file, "face": number} | _of_answer(probabilities)


def _of_face(face: Recognised) -> Row:
    box = zip(("left", "top", "width", "height"), face.face.box, strict=True)
    told = {"face": face.number} | {name: round(value, 1) for name, value in box}
    return told | {"tilt": round(face.face.tilt, 1)} | _of_answer(face.probabilities)


def _of_answer(probabilities: np.ndarray) -> Row:
    shares = {name: round(float(share), 4) for name, share in zip(EMOTIONS, probabilities, strict=True)}
    emotion = EMOTIONS[int(probabilities.argmax())]  # rounded, two of them may be the same
    return {"emotion": emotion, "confidence": shares[emotion], **shares}


class Journal:
    """The rows of one run.

    path: of the tables, without an ending. about: all that the rows depend on; with `resume`, an unfinished journal
    about the same is gone on with, and `done` has the files that need not be looked at again.
    """

    def __init__(self, path: Path, about: dict[str, Any], resume: bool = False):
        self.path = path
        self.unfinished = path.with_name(f"{path.name}.unfinished.jsonl")
        self.done: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        about = json.loads(json.dumps(about))  # as it will be read again
        whole = self._find_done(about) if resume and self.unfinished.is_file() else 0
        self.file: BinaryIO = open(self.unfinished, "r+b" if whole else "wb")  # noqa: SIM115, closed by `finish`
        self.file.truncate(whole)
        self.file.seek(whole)
        if not whole:
            self._write({"about": about})

    def _find_done(self, about: dict[str, Any]) -> int:
        """Fill `done`; returns how many bytes there are up to the end of the last file that is done with."""
        read = whole = 0
        with open(self.unfinished, "rb") as lines:
            for line in lines:
                try:
                    told = json.loads(line)
                except ValueError:  # torn when it was killed
                    break
                if not line.endswith(b"\n"):  # torn just there
                    break
                if not read and told != {"about": about}:
                    break
                read += len(line)
                if "about" in told or "done" in told:
                    whole = read
                    self.done.update([told["done"]] if "done" in told else [])
        return whole

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._write(row)

    def add_file(self, name: str, rows: Iterable[Row]) -> None:
        """The rows of a file, as they come. Where that raises ValueError or OSError, the reason is noted."""
        try:
            self.add(rows)
        except (ValueError, OSError) as error:
            reason = shown(str(error))
            self._write({"file": name, "note": UNREAD + (reason if name in reason else f"{name}: {reason}")})
        self._write({"done": name})
        self.done.add(name)

    def _write(self, line: Row) -> None:
        # What isn't UTF-8 in a name is told by JSON's own escapes.
        self.file.write(json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
        if "done" in line:
            self.file.flush()

    def rows(self) -> Iterator[Row]:
        """All rows so far, in their order."""
        self.file.flush()
        with open(self.unfinished, "rb") as lines:
            for line in lines:
                row = json.loads(line)
                if "file" in row:
                    yield row

    def finish(self, formats: Iterable[Format]) -> None:
        """Write the tables, each whole or not at all; the journal goes."""
        for name in formats:
            with whole_or_not(self.path.with_suffix(f".{name}")) as unfinished:
                WRITERS[name](self.rows(), unfinished)
        self.discard()

    def discard(self) -> None:
        """Leave no trace."""
        self.close()
        self.unfinished.unlink()

    def close(self) -> None:
        """Leave the journal as it is, to be gone on with."""
        self.file.close()


def write_csv(rows: Iterator[Row], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        write_csv_to(file, rows)


def write_csv_to(file: TextIO, rows: Iterable[Row]) -> None:
    """As spreadsheets read it; a cell that they would run as a formula gets an apostrophe in front."""
    table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: harmless(value) for name, value in row.items()})


def harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def write_jsonl(rows: Iterator[Row], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_parquet(rows: Iterator[Row], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, types[TYPES.get(name, float)]) for name in COLUMNS])
    with pa.parquet.ParquetWriter(path, schema) as table:
        batch: list[Row] = []
        for row in rows:
            batch.append(row)
            if len(batch) == 10_000:
                table.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        table.write_table(pa.Table.from_pylist(batch, schema))


def refuse_unwritable(formats: Iterable[Format]) -> None:
    """Raise ImportError for a format whose package is missing, before hours of work and not after them."""
    if "parquet" in formats and not importlib.util.find_spec("pyarrow"):
        raise ImportError("Parquet needs the package pyarrow. Run: python -m pip install pyarrow")


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
