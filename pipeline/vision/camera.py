"""Read the newest frame of a camera, a stream, or a video file that plays in real time."""

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2

from pipeline.vision.sound import Sound
from pipeline.vision.video_io import DEFAULT_FPS, MAX_FPS, Frame, VideoReader

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: the exceptions below report errors
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

THREAD_STOP_TIMEOUT_S = 2.0


class Camera:
    """Read frames in a background thread, and keep the newest only. A context manager that closes the source.

    Args:
        source: number of a camera, path of its device, URL of a stream, or path of a video file.

    Attributes:
        is_file: whether the source is a video file.
        fps: frame rate of the source, in frames per second.

    Raises:
        FileNotFoundError, PermissionError: the video file does not exist or is not readable.
        ValueError: the source cannot be opened.
    """

    def __init__(self, source: str):
        self.source = source
        device = find_device(source)
        self.is_file = device is None and "://" not in source
        if self.is_file:
            self.reader = VideoReader(Path(source).expanduser())
            self.fps, self.frames = self.reader.fps, self._play()
        else:
            self.capture = open_capture(source, device)
            self.fps, self.frames = get_fps(self.capture), self._capture()
        self.frame: Frame | None = None
        self.error: ValueError | None = None
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
            ValueError: no frame arrived before the timeout, or the video file has none.
        """
        with self.frame_changed:
            if not self.frame_changed.wait_for(lambda: self.ended or self._frame_number > after, timeout):
                raise ValueError(
                    f"No frame has arrived from {self.source} for {timeout:g} seconds. Check that it is connected."
                )
            if self._frame_number > after:
                return self.frame
            if self.error:
                raise self.error
            return None

    def open_sound(self, seconds: float) -> Sound | None:
        """Return the sound of a video file from the time of a frame on; None for a camera or a stream."""
        return Sound(self.reader.path, self.reader.start_s + seconds) if self.is_file else None

    @property
    def _frame_number(self) -> int:
        return self.frame.number if self.frame else 0

    def _run(self) -> None:
        """Keep the newest frame until the source ends or fails, then release it and wake a waiting `newest`."""
        try:
            for frame in self.frames:
                with self.frame_changed:
                    self.frame = frame
                    self.frame_changed.notify_all()
                if self.stop_requested.is_set():
                    break
        except ValueError as error:
            self.error = error
        finally:
            self.reader.close() if self.is_file else self.capture.release()
            with self.frame_changed:
                self.ended = True
                self.frame_changed.notify_all()

    def _capture(self) -> Iterator[Frame]:
        """Yield the frames of a camera or a stream as they arrive."""
        number, start = 0, time.perf_counter()
        while True:
            success, bgr = self.capture.read()
            if not success:
                return
            seconds = time.perf_counter() - start
            number += 1
            yield Frame(number, seconds, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))

    def _play(self) -> Iterator[Frame]:
        """Yield the frames of a video file at their times."""
        start = time.perf_counter()
        for frame in self.reader:
            delay = start + frame.seconds - time.perf_counter()
            if delay > 0:
                self.stop_requested.wait(delay)
            yield frame

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


def find_device(source: str) -> int | None:
    """Return the number of a camera that is given as a number or as a path such as /dev/v4l/by-id/usb-camera.

    Returns:
        None for a file or a stream.

    Raises:
        ValueError: the source is a device, but not a camera.
    """
    if source.isdecimal():
        return int(source)
    if "://" in source:
        return None
    path = os.path.realpath(os.path.expanduser(source))
    match = re.fullmatch(r"/dev/video(\d+)", path)
    if match:
        return int(match[1])
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a device or a pipe"
        raise ValueError(
            f"{source} is {kind}, not a camera or a video file. Cameras have numbers (--source 0) or paths such as "
            "/dev/video0."
        )
    return None


def open_capture(source: str, device: int | None) -> cv2.VideoCapture:
    """Open a camera, or a stream if `device` is None.

    Raises:
        ValueError: it cannot be opened.
    """
    capture = cv2.VideoCapture(source if device is None else device)
    if capture.isOpened():
        return capture
    if device is None:
        raise ValueError(
            f"The stream {source} cannot be opened. Check its address, and that its server responds."
        )
    raise ValueError(
        f"Camera {source} cannot be opened: it does not exist, another program uses it, or the system "
        "denies access. Select another camera with --source 1, or a video file with --source FILE."
    )


def get_fps(capture: cv2.VideoCapture) -> float:
    """Return the frame rate of a camera, DEFAULT_FPS if it is unknown."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps < MAX_FPS else DEFAULT_FPS
