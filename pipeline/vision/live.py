"""Recognize, annotate and record the newest frames of a camera."""

from datetime import datetime
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from pipeline.vision.annotate import annotate_faces
from pipeline.vision.camera import Camera
from pipeline.vision.frame_pipeline import FramePipeline
from pipeline.vision.recorder import Recorder

FPS_SMOOTHING = 0.9  # weight of the previous value in the moving average of the frame rate


class LiveView:
    """The annotated frames of a camera, one after the other; as a context manager it closes an open recording.

    Args:
        camera: delivers the frames; frames that arrive while one is processed are skipped.
        frame_pipeline: recognizes and tracks their faces.
        output_dir: for saved frames and recordings.
        mirror: whether to flip the frames horizontally.
        bars: whether to draw a bar for each emotion beside each face.
        max_seconds: end after that time; 0 means no limit.

    Attributes:
        image: the last annotated image, (height, width, 3) uint8 RGB; None before the first frame.
        fps: moving average of the frames processed per second.
        n_frames, seconds: the number of processed frames, and the time of the last one.
        recorder: the recording in progress, or None.
    """

    def __init__(
        self,
        camera: Camera,
        frame_pipeline: FramePipeline,
        output_dir: Path,
        *,
        mirror: bool = False,
        bars: bool = True,
        max_seconds: float = 0.0,
    ):
        self.camera, self.frame_pipeline, self.output_dir = camera, frame_pipeline, output_dir
        self.mirror, self.bars, self.max_seconds = mirror, bars, max_seconds
        self.image: np.ndarray | None = None
        self.fps, self.n_frames, self.seconds = 0.0, 0, 0.0
        self.recorder: Recorder | None = None
        self._last_number = 0

    def next_image(self) -> np.ndarray | None:
        """Wait for the newest frame, and return it annotated; None after the last one.

        Raises:
            ValueError: the camera or the stream stopped delivering frames.
        """
        frame = self.camera.newest(after=self._last_number)
        if frame is None and not self.camera.is_file:
            raise ValueError(
                f"{self.camera.source} stopped delivering frames. Check that the camera is connected. A recording in "
                "progress was saved up to the last frame."
            )
        if frame is None or (self.max_seconds and frame.seconds >= self.max_seconds):
            return None
        self._update_fps(frame.seconds)
        self._last_number, self.n_frames = frame.number, self.n_frames + 1
        self.image = frame.image[:, ::-1].copy() if self.mirror else frame.image
        predictions = self.frame_pipeline.process(self.image, frame.seconds)
        annotate_faces(self.image, predictions, self.bars)
        if self.recorder:
            self.recorder.add(frame, self.image, predictions)
        return self.image

    def _update_fps(self, seconds: float) -> None:
        elapsed, self.seconds = seconds - self.seconds, seconds
        if self.fps and elapsed > 0:
            self.fps = FPS_SMOOTHING * self.fps + (1 - FPS_SMOOTHING) / elapsed
        else:
            self.fps = self.camera.fps

    def save_image(self) -> Path | None:
        """Save the current image as a PNG file; return its path, or None before the first frame."""
        if self.image is None:
            return None
        path = self._timestamped_path().with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.image).save(path)
        return path

    def start_recording(self) -> Path:
        """Start a recording; return its path without an extension."""
        camera, emotions = self.camera, self.frame_pipeline.classifier.emotions
        path = self._timestamped_path()
        self.recorder = Recorder(path, camera.source, camera.fps, camera.open_sound, emotions)
        return self.recorder.path

    def stop_recording(self) -> None:
        """Finish the recording in progress, if there is one."""
        recorder, self.recorder = self.recorder, None
        if recorder:
            recorder.close()

    def _timestamped_path(self) -> Path:
        milliseconds = f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"[:-3]
        return self.output_dir / milliseconds

    def __enter__(self) -> "LiveView":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_recording()
