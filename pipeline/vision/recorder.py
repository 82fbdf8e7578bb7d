"""Record a live view: a video of the annotated frames, and a CSV of the recognized faces."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import ResultsLog, to_rows
from pipeline.vision.video_io import Frame, VideoWriter, open_video_writer


class Recorder:
    """Record frames to <path>.mp4 and their faces to <path>.csv; both are complete after `close`.

    Args:
        path: of the recording, without an extension.
        source: of the frames, for the table's column `file`.
        fps: frames per second of the video.
    """

    def __init__(self, path: Path, source: str, fps: float):
        self.path, self.source, self.fps = path, source, fps
        self.stack = ExitStack()
        self.writer: VideoWriter | None = None
        self.log = ResultsLog(path, {})
        self.stack.callback(self.log.finish, ("csv",))
        self.start_s, self.frames_written = 0.0, 0

    def add(self, frame: Frame, image: np.ndarray, predictions: list[FacePrediction]) -> None:
        """Append a frame: its annotated image to the video, its faces to the table.

        The video's frame rate is constant, so an image is repeated for the frames that were skipped while it was
        processed.
        """
        if self.writer is None:
            self.start_s = frame.seconds
            writer = open_video_writer(self.path.with_suffix(".mp4"), self.fps, frame.size)
            self.writer = self.stack.enter_context(writer)
        seconds = frame.seconds - self.start_s
        self.log.add(to_rows(self.source, predictions, frame.number, seconds))
        while self.frames_written <= seconds * self.fps:
            self.writer.write(image)
            self.frames_written += 1

    def close(self) -> None:
        """Finish the video and the table."""
        self.stack.close()
