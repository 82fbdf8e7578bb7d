"""Record the recognized faces, one row per face, so that an interrupted run resumes.

While a run is in progress its rows are in a file of JSON lines beside the tables that they become at the end; a line
marks each file that is completed. Memory use does not depend on the number of rows.
"""

import glob
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pipeline.workflow.errors import find_machine_error

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_table import WRITERS, Row, TableFormat, list_columns
from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.formatting import printable

LOG_SUFFIX = ".unfinished.jsonl"
NO_FACE, NO_CONTRAST = "no face found", "no contrast"  # notes of a row
NOT_READ = "not read: "  # the prefix of one


def to_rows(
    file: str,
    predictions: list[FacePrediction],
    frame: int | None = None,
    seconds: float | None = None,
    notes: tuple[str, ...] = (),
) -> list[Row]:
    """Return a row for each face of an image or a frame; without a face, one row whose note says so.

    Args:
        frame: number of the frame in a video, from 1; seconds: its time.
        notes: on the file, for the first row.
    """
    position = {"file": file, "frame": frame, "seconds": None if seconds is None else round(seconds, 3)}
    if not predictions:
        return [position | {"note": "; ".join((NO_FACE, *notes))}]
    rows = [position | _face_columns(prediction) for prediction in predictions]
    if notes:
        rows[0]["note"] = "; ".join(notes)
    return rows


def crop_row(
    file: str,
    index: int,
    probabilities: np.ndarray,
    notes: tuple[str, ...] = (),
    emotions: Emotions = EMOTIONS,
) -> Row:
    """Return the row of an image that is a cropped face, the `index`-th of its file, from 1."""
    note = {"note": "; ".join(notes)} if notes else {}
    return {"file": file, "face": index} | _probability_columns(probabilities, emotions) | note


def flat_row(file: str, index: int) -> Row:
    """Return the row of a cropped face without contrast, for which any answer would be a guess."""
    return {"file": file, "face": index, "note": NO_CONTRAST}


def _face_columns(prediction: FacePrediction) -> Row:
    sides = zip(("left", "top", "width", "height"), prediction.face.box, strict=True)
    box = {name: round(value, 1) for name, value in sides}
    pose = {"roll": round(prediction.face.roll, 1), "score": round(prediction.face.score, 3)}
    return (
        {"face": prediction.track_id}
        | box
        | pose
        | _probability_columns(prediction.probabilities, prediction.emotions)
    )


def _probability_columns(probabilities: np.ndarray, emotions: Emotions) -> Row:
    rounded = {name: round(float(value), 4) for name, value in zip(emotions, probabilities, strict=True)}
    emotion = emotions[int(probabilities.argmax())]  # before rounding, which may make two of them equal
    return {"emotion": emotion, "confidence": rounded[emotion], **rounded}


class ResultsLog:
    """Append the rows of one run to a log, and convert it to tables at the end.

    Args:
        path: of the tables, without an extension.
        metadata: all that the rows depend on, as JSON can hold it. The log is named after it, so that a run with
            other images or settings leaves it alone.
        resume: continue the unfinished log with the same metadata; `completed` then has the keys of the files whose
            rows it holds. Otherwise the log starts from scratch.
        emotions: of the classifier; each has a column in the tables.

    Attributes:
        digest: of the metadata, eight hexadecimal digits.

    As a context manager it closes the log, unless it is finished, so that a later run can resume it.
    """

    def __init__(
        self, path: Path, metadata: dict[str, Any], resume: bool = False, emotions: Emotions = EMOTIONS
    ):
        self.path, self.columns = path, list_columns(emotions)
        self.completed: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded = json.dumps(metadata, sort_keys=True)
        metadata = json.loads(encoded)  # as it will be read again: tuples become lists
        self.digest = hashlib.sha256(encoded.encode()).hexdigest()[:8]
        self.log_path = path.with_name(f"{path.name}-{self.digest}{LOG_SUFFIX}")
        valid_bytes = self._read_completed(metadata) if resume and self.log_path.is_file() else 0
        self.file: BinaryIO = open(self.log_path, "r+b" if valid_bytes else "wb")  # noqa: SIM115, see `close`
        self.file.truncate(valid_bytes)
        self.file.seek(valid_bytes)
        if not valid_bytes:
            self._write({"metadata": metadata})

    def _read_completed(self, metadata: dict[str, Any]) -> int:
        """Fill `completed`, and return the number of bytes up to the end of the last completed file."""
        n_read = n_valid = 0
        with open(self.log_path, "rb") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:  # torn: the process was killed while it wrote this line
                    break
                if not line.endswith(b"\n"):  # torn at the very end of the line
                    break
                if not n_read and entry != {"metadata": metadata}:
                    break
                n_read += len(line)
                if "metadata" in entry or "completed" in entry:
                    n_valid = n_read
                    self.completed.update([entry["completed"]] if "completed" in entry else [])
        return n_valid

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows to the log."""
        for row in rows:
            self._write(row)

    def list_others(self) -> list[Path]:
        """Return the unfinished logs of runs with other metadata."""
        logs = self.path.parent.glob(f"{glob.escape(self.path.name)}-*{LOG_SUFFIX}")
        return sorted(path for path in logs if path != self.log_path)

    def add_file(self, name: str, rows: Iterable[Row], key: str = "") -> None:
        """Append the rows of a file while they are computed, and mark the file as completed.

        Args:
            name: of the file, for its row if it cannot be read.
            rows: of the file.
            key: by which `completed` identifies the file; default: its name.

        If `rows` raises ValueError or OSError, the file gets a row whose note has the reason.

        Raises:
            OSError, MemoryError: If the disk is full or memory is short, for which the file is not at fault.
        """
        try:
            self.add(rows)
        except (ValueError, OSError) as error:
            if machine_error := find_machine_error(error):
                raise machine_error from None
            reason = printable(str(error))
            self._write(
                {"file": name, "note": NOT_READ + (reason if name in reason else f"{name}: {reason}")}
            )
        self._write({"completed": key or name})
        self.completed.add(key or name)

    def _write(self, entry: Row) -> None:
        # A file name that is not UTF-8 is escaped.
        self.file.write(json.dumps(entry, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
        if "completed" in entry:
            self.file.flush()

    def rows(self) -> Iterator[Row]:
        """Yield all rows of the log, in their order."""
        self.file.flush()
        with open(self.log_path, "rb") as lines:
            for line in lines:
                row = json.loads(line)
                if "file" in row:
                    yield row

    def finish(self, formats: Iterable[TableFormat]) -> None:
        """Write a table in each format, atomically, and delete the log and the tables in other formats."""
        formats = tuple(formats)
        for table_format in formats:
            with atomic_write(self.path.with_suffix(f".{table_format}")) as temporary:
                WRITERS[table_format](self.rows(), temporary, self.columns)
        for other_format in WRITERS.keys() - formats:  # of a previous run
            self.path.with_suffix(f".{other_format}").unlink(missing_ok=True)
        self.discard()

    def discard(self) -> None:
        """Delete the log without writing a table."""
        self.close()
        self.log_path.unlink()

    def close(self) -> None:
        """Close the log and keep it, so that a later run can resume it."""
        self.file.close()

    def __enter__(self) -> "ResultsLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
