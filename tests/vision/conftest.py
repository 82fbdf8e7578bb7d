"""Write small videos, and replace OpenCV's video sources by fakes."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.vision.video_writer import open_video_writer

BRIGHTNESS_STEP = 16  # gray levels by which a frame of `write_video` is brighter than the one before


@pytest.fixture
def write_video(tmp_path) -> Callable[..., Path]:
    """Write a video of gray 64x48 frames in tmp_path; frame n has the gray level (n - 1) * BRIGHTNESS_STEP."""

    def write(name: str = "video.mp4", fps: float = 25, n_frames: int = 12) -> Path:
        with open_video_writer(tmp_path / name, fps, (64, 48)) as writer:
            for index in range(n_frames):
                writer.write(np.full((48, 64, 3), BRIGHTNESS_STEP * index, np.uint8))
        return tmp_path / name

    return write


class FakeCapture:
    """A stand-in for cv2.VideoCapture with black 64x48 frames, and without a frame rate or timestamps.

    Args:
        n_frames: after which the source ends.
        seconds_per_frame: for which `read` blocks.
        hangs: whether `read` blocks after the last frame until `release`, instead of reporting the end.
        opens: whether the source can be opened.
    """

    def __init__(
        self, n_frames: int = 0, seconds_per_frame: float = 0, hangs: bool = False, opens: bool = True
    ):
        self.frames_left, self.seconds_per_frame = n_frames, seconds_per_frame
        self.hangs, self.opens = hangs, opens
        self.released = threading.Event()
        self.sources: list[int | str] = []  # that were opened

    def open(self, source: int | str) -> "FakeCapture":
        self.sources.append(source)
        return self

    def isOpened(self) -> bool:
        return self.opens

    def get(self, property_id: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        if not self.frames_left:
            if self.hangs:
                self.released.wait(5)
            return False, None
        time.sleep(self.seconds_per_frame)
        self.frames_left -= 1
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self) -> None:
        self.released.set()


@pytest.fixture
def fake_capture(monkeypatch) -> Callable[..., FakeCapture]:
    """Create a FakeCapture that OpenCV returns for all sources."""

    def create(**options) -> FakeCapture:
        capture = FakeCapture(**options)
        monkeypatch.setattr(cv2, "VideoCapture", capture.open)
        return capture

    return create
