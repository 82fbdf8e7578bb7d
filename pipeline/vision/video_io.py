"""Video: frames with their times from a file, a camera or a stream, and recordings that are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.logging import suppress_output

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong with a video, our own sentences say
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

VIDEO_EXTENSIONS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
DEFAULT_FPS = 25.0  # frames per second, of a video that doesn't tell its own
# What every OpenCV writes: MPEG-4, quickly, and VP8, ten times as slowly, which is what browsers play.
CODECS = {".mp4": "mp4v", ".webm": "VP80"}


@dataclass(frozen=True)
class Frame:
    """number: from 1; seconds: since the start; picture: (height, width, 3) uint8 RGB."""

    number: int
    seconds: float
    image: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


class VideoReader:
    """The frames of a video file, one after the other, none left out.

    rate: frames per second; length: how many frames it should have, 0 where it doesn't tell.
    Raises FileNotFoundError where there is no file, PermissionError where it may not be read, and ValueError where it
    holds no video. After the last frame `cut_short` tells whether there should have been more.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path} is not there, or is no file.")
        if not is_utf8(self.path):
            raise ValueError(
                f"{self.path} cannot be read as a video (its name is not UTF-8; give it another)."
            )
        with open(self.path, "rb"):  # that it may not be read, OpenCV would not tell
            pass
        self.capture = cv2.VideoCapture(str(self.path), cv2.CAP_ANY)
        if not self.capture.isOpened():
            what = "it is empty" if not self.path.stat().st_size else "it is cut short, or of an unknown kind"
            raise ValueError(f"{self.path} cannot be read as a video ({what}).")
        rate = self.capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else DEFAULT_FPS
        self.frame_count = max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.frames_read = 0

    def __iter__(self) -> Iterator[Frame]:
        seconds = -1 / self.fps
        while True:
            there, picture = self.capture.read()
            if not there:
                break
            told = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Some files tell no times, and then each frame follows the one before at the file's rate.
            seconds = told if told > seconds else seconds + 1 / self.fps
            self.frames_read += 1
            yield Frame(self.frames_read, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        self.capture.release()
        if not self.frames_read:
            raise ValueError(f"{self.path} cannot be read as a video (it has no frames).")

    @property
    def is_truncated(self) -> bool:
        # The count that a file tells is an estimate for some kinds; one frame less is no damage.
        return self.frames_read < self.frame_count - 1


class VideoWriter:
    """An .mp4 or .webm of so many frames per second and of (width, height) pixels; .mp4 drops an odd last one.

    Raises OSError where it can't be written.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]):
        if not is_utf8(path):
            raise OSError(f"{path} cannot be written as a video (its name is not UTF-8).")
        code = cv2.VideoWriter_fourcc(*CODECS[path.suffix])
        with suppress_output():  # of WebM FFmpeg says each time that it doesn't mark VP8
            self.writer = cv2.VideoWriter(str(path), code, rate, size)
        if not self.writer.isOpened():
            raise OSError(f"{path} cannot be written as a video.")

    def write(self, picture: np.ndarray) -> None:
        """Add a frame, (height, width, 3) uint8 RGB."""
        self.writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def is_utf8(path: Path) -> bool:
    """Whether OpenCV can be told of a path; one that isn't UTF-8 ends the process."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def open_video_writer(path: Path, rate: float, size: tuple[int, int]) -> Iterator[VideoWriter]:
    """A recording that is at `path`, whole, once this ends, also where it ends by an error: what came until then."""
    with atomic_write(path, keep_partial=True) as unfinished:
        video = VideoWriter(unfinished, rate, size)
        try:
            yield video
        finally:
            video.writer.release()
