"""Read the newest frame of a camera, a stream, or a video file that plays in real time."""

import threading
from pathlib import Path
from types import TracebackType

import cv2

from pipeline.vision.video_io import Frame, get_fps, open_capture

THREAD_STOP_TIMEOUT_S = 2.0


class Camera:
    """Read frames in a background thread, and keep the newest only. A context manager that closes the source.

    Args:
        source: number of a camera, URL of a stream, or path of a video file.

    Attributes:
        is_file: whether the source is a video file.
        fps: frame rate of the source, in frames per second.

    Raises:
        FileNotFoundError, PermissionError: the video file does not exist or is not readable.
        ValueError: the source cannot be opened.
    """

    def __init__(self, source: str):
        self.source = source
        self.is_file = not source.isdigit() and "://" not in source
        self.capture = self._open()
        self.fps = get_fps(self.capture)
        self.frame: Frame | None = None
        self.ended = False
        self.frame_changed = threading.Condition()
        self.stop_requested = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def newest(self, after: int = 0, timeout: float = 5.0) -> Frame | None:
        """Wait for a frame with a number above `after`, and return the newest; None after the last one.

        Args:
            after: number of the frame that was processed last.
            timeout: in seconds.

        Raises:
            ValueError: no frame arrived before the timeout.
        """
        with self.frame_changed:
            if not self.frame_changed.wait_for(lambda: self.ended or self._frame_number > after, timeout):
                raise ValueError(
                    f"No frame has arrived from {self.source} for {timeout:g} seconds. Check that it is connected."
                )
            return self.frame if self._frame_number > after else None

    @property
    def _frame_number(self) -> int:
        return self.frame.number if self.frame else 0

    def _open(self) -> cv2.VideoCapture:
        if self.is_file:
            return open_capture(Path(self.source).expanduser())
        capture = cv2.VideoCapture(int(self.source) if self.source.isdigit() else self.source)
        if capture.isOpened():
            return capture
        if self.source.isdigit():
            raise ValueError(
                f"Camera {self.source} cannot be opened: it does not exist, another program uses it, or the system "
                "denies access. Select another camera with --source 1, or a video file with --source FILE."
            )
        raise ValueError(
            f"The stream {self.source} cannot be opened. Check its address, and that its server responds."
        )

    def _run(self) -> None:
        """Read frames until the source ends or fails, then release it and wake a waiting `newest`."""
        try:
            self._read_frames()
        finally:
            self.capture.release()
            with self.frame_changed:
                self.ended = True
                self.frame_changed.notify_all()

    def _read_frames(self) -> None:
        number, start = 0, cv2.getTickCount()
        while not self.stop_requested.is_set():
            success, bgr = self.capture.read()
            if not success:
                break
            seconds = (cv2.getTickCount() - start) / cv2.getTickFrequency()
            if self.is_file:  # at the frame rate, as a camera delivers its frames
                delay = number / self.fps - seconds
                if delay > 0:
                    self.stop_requested.wait(delay)
                seconds = number / self.fps
            number += 1
            with self.frame_changed:
                self.frame = Frame(number, seconds, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
                self.frame_changed.notify_all()

    def __enter__(self) -> "Camera":
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop_requested.set()
        self.thread.join(THREAD_STOP_TIMEOUT_S)
