"""Record a live view: a video of the annotated frames, and a CSV of the recognized faces."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import to_rows
from pipeline.vision.results_table import list_columns, write_csv_to
from pipeline.vision.sound import Sound
from pipeline.vision.video_io import Frame
from pipeline.vision.video_writer import VideoWriter


class Recorder:
    """Record frames to <path>.mp4 and their faces to <path>.csv.

    Both files are written under their own names, and can be read up to the last second if the process is killed.

    Args:
        path: of the recording, without an extension.
        source: of the frames, for the table's column `file`.
        fps: nominal frame rate of the video, in frames per second; each frame has its own timestamp.
        open_sound: returns the sound of the source from a time on, in seconds; None if it has none.
        emotions: of the classifier; each has a column in the table.
    """

    def __init__(
        self,
        path: Path,
        source: str,
        fps: float,
        open_sound: Callable[[float], Sound | None],
        emotions: Emotions = EMOTIONS,
    ):
        self.path, self.source, self.fps, self.open_sound = path, source, fps, open_sound
        path.parent.mkdir(parents=True, exist_ok=True)
        self.table = open(path.with_suffix(".csv"), "w", encoding="utf-8", newline="")  # noqa: SIM115, see `close`
        self.columns = list_columns(emotions)
        write_csv_to(self.table, [], self.columns)
        self.writer: VideoWriter | None = None
        self.start_s = 0.0

    def add(self, frame: Frame, image: np.ndarray, predictions: list[FacePrediction]) -> None:
        """Append a frame: its annotated image to the video, its faces to the table."""
        if self.writer is None:
            self.start_s = frame.seconds
            sound = self.open_sound(frame.seconds)
            self.writer = VideoWriter(self.path.with_suffix(".mp4"), self.fps, frame.size, sound)
        seconds = frame.seconds - self.start_s
        rows = to_rows(self.source, predictions, frame.number, seconds)
        write_csv_to(self.table, rows, self.columns, header=False)
        self.table.flush()
        self.writer.write(image, seconds)

    def close(self) -> None:
        """Finish the video and the table."""
        self.table.close()
        if self.writer:
            self.writer.close()
