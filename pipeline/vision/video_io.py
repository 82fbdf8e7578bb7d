"""Read video files frame by frame with timestamps, and write them atomically."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.logging import suppress_output

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: the exceptions below report errors
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

VIDEO_EXTENSIONS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
DEFAULT_FPS = 25.0  # of a video without a valid frame rate
MAX_FPS = 1000.0  # higher frame rates are not valid
# Codecs that every build of OpenCV can write: MPEG-4, and VP8, which takes ten times as long but plays in browsers.
CODECS = {".mp4": "mp4v", ".webm": "VP80"}


@dataclass(frozen=True)
class Frame:
    """A frame of a video or a camera.

    Attributes:
        number: counted from 1.
        seconds: timestamp since the start of the video.
        image: (height, width, 3) uint8 RGB.
    """

    number: int
    seconds: float
    image: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


class VideoReader:
    """Iterate over all frames of a video file, once.

    Attributes:
        fps: frame rate, in frames per second.
        frame_count: according to the file's header; an estimate for some formats; 0 if unknown.
        frames_read: so far.

    Raises:
        FileNotFoundError: the file does not exist.
        PermissionError: the file is not readable.
        ValueError: the file is not a video, is damaged, or (at the end of the iteration) has no frames.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.capture = open_capture(self.path)
        self.fps = get_fps(self.capture)
        self.frame_count = max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.frames_read = 0

    def __iter__(self) -> Iterator[Frame]:
        seconds = -1 / self.fps
        while True:
            success, bgr = self.capture.read()
            if not success:
                break
            timestamp = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # In files without timestamps, the frames follow each other at the frame rate.
            seconds = timestamp if timestamp > seconds else seconds + 1 / self.fps
            self.frames_read += 1
            yield Frame(self.frames_read, seconds, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        self.capture.release()
        if not self.frames_read:
            raise ValueError(f"{self.path} cannot be read as a video (it has no frames).")

    @property
    def is_truncated(self) -> bool:
        """Whether, after the last frame, more were expected. One missing frame is within the estimate's error."""
        return self.frames_read < self.frame_count - 1


class VideoWriter:
    """Write a video file.

    Args:
        path: .mp4 or .webm.
        fps: frame rate, in frames per second.
        size: width and height in pixels; an .mp4 is written without the last row or column of an odd size.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]):
        if not is_utf8(path):
            raise OSError(f"{path} cannot be written as a video (its name is not valid UTF-8). Rename it.")
        codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
        with suppress_output():  # FFmpeg warns about the tag of VP8 in each WebM file
            self.writer = cv2.VideoWriter(str(path), codec, fps, size)
        if not self.writer.isOpened():
            raise OSError(f"{path} cannot be written as a video.")

    def write(self, image: np.ndarray) -> None:
        """Append a frame, (height, width, 3) uint8 RGB."""
        self.writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


@contextmanager
def open_video_writer(path: Path, fps: float, size: tuple[int, int]) -> Iterator[VideoWriter]:
    """Open a VideoWriter; the file appears at `path` when the context ends.

    After an exception it contains the frames written until then.
    """
    with atomic_write(path, keep_partial=True) as temporary:
        video = VideoWriter(temporary, fps, size)
        try:
            yield video
        finally:
            video.writer.release()


def open_capture(path: Path) -> cv2.VideoCapture:
    """Open a video file with OpenCV; raises as VideoReader does."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist or is not a file.")
    if not is_utf8(path):
        raise ValueError(f"{path} cannot be read as a video (its name is not valid UTF-8). Rename it.")
    with open(path, "rb"):  # raises PermissionError, which OpenCV does not report
        pass
    capture = cv2.VideoCapture(str(path), cv2.CAP_ANY)
    if not capture.isOpened():
        reason = "it is empty" if not path.stat().st_size else "it is truncated or its format is unknown"
        raise ValueError(f"{path} cannot be read as a video ({reason}).")
    return capture


def get_fps(capture: cv2.VideoCapture) -> float:
    """Return the frame rate of a video or a camera, DEFAULT_FPS if it is unknown."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps < MAX_FPS else DEFAULT_FPS


def is_utf8(path: Path) -> bool:
    """Return whether a path is valid UTF-8; on other paths OpenCV ends the process."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
