"""What was recognized, a row a face: written down as it comes, gone on with after a kill, made into tables at the end.

While the work goes on, rows stand in a file of JSON lines beside the tables that they become; a line tells when a file
is done with. Memory stays the same however many rows there are.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_table import WRITERS, Row, TableFormat
from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.formatting import printable

NO_FACE, NOT_READ = "no face found", "not read: "


def to_rows(
    file: str, faces: list[FacePrediction], frame: int | None = None, seconds: float | None = None
) -> list[Row]:
    """A row for each face of a picture, or of a video's frame; one that says so where there is none."""
    where = {"file": file, "frame": frame, "seconds": None if seconds is None else round(seconds, 3)}
    if not faces:
        return [where | {"note": NO_FACE}]
    return [where | _face_columns(face) for face in faces]


def crop_row(file: str, number: int, probabilities: np.ndarray) -> Row:
    """The row of a picture that is a face."""
    return {"file": file, "face": number} | _probability_columns(probabilities)


def _face_columns(face: FacePrediction) -> Row:
    box = zip(("left", "top", "width", "height"), face.face.box, strict=True)
    told = {"face": face.track_id} | {name: round(value, 1) for name, value in box}
    return told | {"roll": round(face.face.roll, 1)} | _probability_columns(face.probabilities)


def _probability_columns(probabilities: np.ndarray) -> Row:
    shares = {name: round(float(share), 4) for name, share in zip(EMOTIONS, probabilities, strict=True)}
    emotion = EMOTIONS[int(probabilities.argmax())]  # rounded, two of them may be the same
    return {"emotion": emotion, "confidence": shares[emotion], **shares}


class ResultsLog:
    """The rows of one run.

    path: of the tables, without an ending. about: all that the rows depend on; with `resume`, an unfinished journal
    about the same is gone on with, and `done` has the files that need not be looked at again.
    """

    def __init__(self, path: Path, about: dict[str, Any], resume: bool = False):
        self.path = path
        self.unfinished = path.with_name(f"{path.name}.unfinished.jsonl")
        self.completed: set[str] = set()
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
                    self.completed.update([told["done"]] if "done" in told else [])
        return whole

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._write(row)

    def add_file(self, name: str, rows: Iterable[Row]) -> None:
        """The rows of a file, as they come. Where that raises ValueError or OSError, the reason is noted."""
        try:
            self.add(rows)
        except (ValueError, OSError) as error:
            reason = printable(str(error))
            self._write(
                {"file": name, "note": NOT_READ + (reason if name in reason else f"{name}: {reason}")}
            )
        self._write({"done": name})
        self.completed.add(name)

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

    def finish(self, formats: Iterable[TableFormat]) -> None:
        """Write the tables, each whole or not at all; the journal goes."""
        for name in formats:
            with atomic_write(self.path.with_suffix(f".{name}")) as unfinished:
                WRITERS[name](self.rows(), unfinished)
        self.discard()

    def discard(self) -> None:
        """Leave no trace."""
        self.close()
        self.unfinished.unlink()

    def close(self) -> None:
        """Leave the journal as it is, to be gone on with."""
        self.file.close()
