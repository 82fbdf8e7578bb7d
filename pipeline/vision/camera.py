"""Video: frames with their times from a file, a camera or a stream, and recordings that are whole."""

import threading
from pathlib import Path
from types import TracebackType

import cv2

from pipeline.vision.video_io import DEFAULT_FPS, Frame, VideoReader


class Camera:
    """The newest frame of a camera, a stream or a video file, read in a thread of its own.

    source: a camera's number, the URL of a stream, or a file, which plays at its own speed. A frame that comes while
    the one before is still worked on takes its place. Raises ValueError where the source can't be opened.
    """

    def __init__(self, source: str):
        self.source = source
        self.is_file = not source.isdigit() and "://" not in source
        self.capture = self._open()
        self.fps = self.capture.get(cv2.CAP_PROP_FPS)
        if not 0 < self.fps < 1000:
            self.fps = DEFAULT_FPS
        self.changed = threading.Condition()
        self.frame: Frame | None = None
        self.ended = False
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _open(self) -> cv2.VideoCapture:
        if self.is_file:
            return VideoReader(Path(self.source).expanduser()).capture
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
                early = number / self.fps - seconds
                if early > 0:
                    self.stopped.wait(early)
                seconds = number / self.fps
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
