"""Summarize the rows of recognized faces: the first faces, the count of each emotion, and the unreadable files.

The line of a face has its file, its number, its most frequent emotion, and the mean confidence in that emotion.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from pipeline.vision.results_log import NOT_READ
from pipeline.vision.results_table import Row
from pipeline.workflow.formatting import format_count

MAX_LISTED_FACES, MAX_LISTED_UNREAD = 20, 20
MAX_NAME_LENGTH = 50  # characters of a file's name


@dataclass
class ResultsSummary:
    """The results of a run; a face of a video counts once, with its most frequent emotion.

    Attributes:
        emotions: number of faces by emotion.
        first_faces: a line for each of the first faces.
        unread: for each file that could not be read, the reason.
        n_without_face: number of files that were read and have no face.
    """

    emotions: Counter[str] = field(default_factory=Counter)
    first_faces: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    n_without_face: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether no file could be read."""
        return not self.emotions and not self.n_without_face

    def lines(self) -> Iterator[str]:
        """Yield the lines of the summary."""
        if self.first_faces:
            yield f"{'file':<{MAX_NAME_LENGTH}} face  emotion   confidence"
        yield from self.first_faces
        if self.emotions.total() > MAX_LISTED_FACES:
            yield f"... and {self.emotions.total() - MAX_LISTED_FACES:,} more"
        yield from self.unread[:MAX_LISTED_UNREAD]
        if len(self.unread) > MAX_LISTED_UNREAD:
            yield f"... and {len(self.unread) - MAX_LISTED_UNREAD:,} more not read; the table has the reasons"
        if self.is_empty:
            return
        counts = ", ".join(f"{emotion} {count:,}" for emotion, count in self.emotions.most_common())
        faces = format_count(self.emotions.total(), "face") + (f" ({counts})" if counts else "")
        yield f"{faces}; {format_count(self.n_without_face, 'file')} without a face; {len(self.unread):,} not read"
        if not self.emotions:
            yield "(images that are tightly cropped faces already: --faces crop)"


def summarize_results(rows: Iterable[Row]) -> ResultsSummary:
    """Summarize rows, in which each file's rows are consecutive, without keeping them in memory."""
    summary = ResultsSummary()
    for file, file_rows in groupby(rows, key=lambda row: row["file"]):
        _add_file(summary, file, file_rows)
    return summary


def _add_file(summary: ResultsSummary, file: str, rows: Iterable[Row]) -> None:
    emotions_of_face: dict[int, Counter[str]] = {}
    confidences: dict[tuple[int, str], float] = defaultdict(float)  # sum by face and emotion
    is_read = True
    for row in rows:
        if "emotion" in row:
            emotions_of_face.setdefault(row["face"], Counter())[row["emotion"]] += 1
            confidences[row["face"], row["emotion"]] += float(row["confidence"])
        elif row["note"].startswith(NOT_READ):
            summary.unread.append(row["note"])
            is_read = False
    summary.n_without_face += is_read and not emotions_of_face
    for face, emotions in emotions_of_face.items():
        (emotion, n_frames), *_ = emotions.most_common(1)
        summary.emotions[emotion] += 1
        if len(summary.first_faces) < MAX_LISTED_FACES:
            total = emotions.total()
            confidence = confidences[face, emotion] / n_frames
            share = f" ({n_frames:,} of {total:,} frames)" if total > 1 else ""
            name = file[-MAX_NAME_LENGTH:]
            summary.first_faces.append(
                f"{name:<{MAX_NAME_LENGTH}} {face:>4}  {emotion:<8}  {confidence:>10.0%}{share}"
            )
