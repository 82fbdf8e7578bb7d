"""Video: frames with their times from a file, a camera or a stream, and recordings that are whole."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pipeline.files import whole_or_not
from pipeline.quiet import without_chatter

import cv2
import numpy as np

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong with a video, our own sentences say
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
USUAL_RATE = 25.0  # frames per second, of a video that doesn't tell its own
# What every OpenCV writes: MPEG-4, quickly, and VP8, ten times as slowly, which is what browsers play.
FORMATS = {".mp4": "mp4v", ".webm": "VP80"}


@dataclass(frozen=True)
class Frame:
    """number: from 1; seconds: since the start; picture: (height, width, 3) uint8 RGB."""

    number: int
    seconds: float
    picture: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.picture.shape[1], self.picture.shape[0]


class Video:
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
        self.rate = rate if 0 < rate < 1000 else USUAL_RATE
        self.length = max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.seen = 0

    def __iter__(self) -> Iterator[Frame]:
        seconds = -1 / self.rate
        while True:
            there, picture = self.capture.read()
            if not there:
                break
            told = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Some files tell no times, and then each frame follows the one before at the file's rate.
            seconds = told if told > seconds else seconds + 1 / self.rate
            self.seen += 1
            yield Frame(self.seen, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        self.capture.release()
        if not self.seen:
            raise ValueError(f"{self.path} cannot be read as a video (it has no frames).")

    @property
    def cut_short(self) -> bool:
        # The count that a file tells is an estimate for some kinds; one frame less is no damage.
        return self.seen < self.length - 1


class Camera:
    """The newest frame of a camera, a stream or a video file, read in a thread of its own.

    source: a camera's number, the URL of a stream, or a file, which plays at its own speed. A frame that comes while
    the one before is still worked on takes its place. Raises ValueError where the source can't be opened.
    """

    def __init__(self, source: str):
        self.source = source
        self.is_file = not source.isdigit() and "://" not in source
        self.capture = self._open()
        self.rate = self.capture.get(cv2.CAP_PROP_FPS)
        if not 0 < self.rate < 1000:
            self.rate = USUAL_RATE
        self.changed = threading.Condition()
        self.frame: Frame | None = None
        self.ended = False
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _open(self) -> cv2.VideoCapture:
        if self.is_file:
            return Video(Path(self.source).expanduser()).capture
        capture = cv2.VideoCapture(int(self.source) if self.source.isdigit() else self.source)
        if capture.isOpened():
            return capture
        if self.source.isdigit():
            raise ValueError(
                f"Camera {self.source} cannot be opened: there is none, another program uses it, or the system does "
                "not allow it. Other cameras have other numbers: --source 1. A video file will do as well: --source "
                "FILE."
            )
        raise ValueError(
            f"The stream {self.source} cannot be opened. Is the address right, and does it answer?"
        )

    def _read(self) -> None:
        try:
            self._read_on()
        finally:
            self.capture.release()
            with self.changed:
                self.ended = True
                self.changed.notify_all()

    def _read_on(self) -> None:
        number, started = 0, cv2.getTickCount()
        while not self.stopped.is_set():
            there, picture = self.capture.read()
            if not there:
                break
            seconds = (cv2.getTickCount() - started) / cv2.getTickFrequency()
            if self.is_file:  # as a camera would give it
                early = number / self.rate - seconds
                if early > 0:
                    self.stopped.wait(early)
                seconds = number / self.rate
            number += 1
            with self.changed:
                self.frame = Frame(number, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
                self.changed.notify_all()

    def newest(self, after: int = 0, wait: float = 5.0) -> Frame | None:
        """The newest frame with a number above `after`, waited for; None once there are no more.

        Raises ValueError where none comes for `wait` seconds: a camera that hangs.
        """
        with self.changed:
            came = self.changed.wait_for(lambda: self.ended or self._number() > after, wait)
            if not came:
                raise ValueError(f"No picture has come from {self.source} for {wait:.0f} seconds.")
            return self.frame if self._number() > after else None

    def _number(self) -> int:
        return self.frame.number if self.frame else 0

    def __enter__(self) -> "Camera":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self.thread.join(timeout=2)


class Recording:
    """An .mp4 or .webm of so many frames per second and of (width, height) pixels; .mp4 drops an odd last one.

    Raises OSError where it can't be written.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]):
        if not is_utf8(path):
            raise OSError(f"{path} cannot be written as a video (its name is not UTF-8).")
        code = cv2.VideoWriter_fourcc(*FORMATS[path.suffix])
        with without_chatter():  # of WebM FFmpeg says each time that it doesn't mark VP8
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
def recording(path: Path, rate: float, size: tuple[int, int]) -> Iterator[Recording]:
    """A recording that is at `path`, whole, once this ends, also where it ends by an error: what came until then."""
    with whole_or_not(path, keep=True) as unfinished:
        video = Recording(unfinished, rate, size)
        try:
            yield video
        finally:
            video.writer.release()
