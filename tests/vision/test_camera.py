"""A camera returns its newest frame, and reports sources that fail."""

import os
import time

import numpy as np
import pytest
from helpers import TIMEOUT_S

from pipeline.vision.camera import Camera
from pipeline.vision.video_io import DEFAULT_FPS
from pipeline.vision.video_writer import open_video_writer


def test_frames_that_arrive_during_processing_are_skipped(fake_capture):
    capture = fake_capture(n_frames=10**6, seconds_per_frame=0.01)
    with Camera("0") as camera:
        first = camera.newest()
        n_left = capture.frames_left
        while capture.frames_left > n_left - 10:  # processing
            time.sleep(0.01)
        later = camera.newest(after=first.number)
        assert later.number > first.number + 2
        assert later.seconds > first.seconds + 0.05
        assert camera.newest(after=later.number).number > later.number


def test_after_the_last_frame_there_is_none(fake_capture):
    capture, number = fake_capture(n_frames=5), 0
    with Camera("0") as camera:
        while frame := camera.newest(after=number):
            number = frame.number
        assert number == 5 and camera.ended
    assert capture.released.is_set()


def test_a_camera_without_a_frame_rate_gets_the_default(fake_capture):
    fake_capture(n_frames=1)
    with Camera("0") as camera:
        assert camera.fps == DEFAULT_FPS


def test_a_camera_that_hangs_raises_an_error_after_the_timeout(fake_capture):
    capture = fake_capture(n_frames=1, hangs=True)
    with Camera("0") as camera:
        assert camera.newest().number == 1
        with pytest.raises(ValueError, match=r"from 0 for 0\.1 seconds"):
            camera.newest(after=1, timeout=0.1)
        capture.release()  # ends the thread


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_invalid_frame_ends_the_camera(fake_capture):
    capture = fake_capture(n_frames=1)
    capture.read = lambda: (True, np.zeros((0, 0, 3), np.uint8))  # OpenCV raises an error in the thread
    with Camera("0") as camera:
        assert camera.newest(timeout=TIMEOUT_S) is None
    assert capture.released.is_set()


@pytest.mark.parametrize(("source", "remedy"), [("7", "--source"), ("rtsp://x", "address")])
def test_a_source_that_cannot_be_opened_is_named_with_a_remedy(fake_capture, source, remedy):
    fake_capture(opens=False)
    with pytest.raises(ValueError, match=f"{source} cannot be opened.*{remedy}"):
        Camera(source)


def test_a_video_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.mp4"):
        Camera(str(tmp_path / "missing.mp4"))


def test_a_video_file_plays_at_its_frame_rate(write_video):
    path = write_video(fps=20, n_frames=8)
    start, frames = time.monotonic(), []
    with Camera(str(path)) as camera:
        assert camera.is_file and camera.fps == 20
        while frame := camera.newest(after=frames[-1].number if frames else 0):
            frames.append(frame)
    assert time.monotonic() - start >= 7 / 20
    numbers = np.array([frame.number for frame in frames])
    assert numbers[-1] == 8
    np.testing.assert_allclose([frame.seconds for frame in frames], (numbers - 1) / 20)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], 16 * (numbers - 1), atol=5)


@pytest.mark.parametrize("seconds", [(0, 0.04, 0.3), (0, 0.2, 0.24, 0.4), (0, 0.5)], ids=str)
def test_a_video_file_of_variable_rate_plays_at_its_times(tmp_path, seconds):
    with open_video_writer(tmp_path / "video.mp4", 25, (64, 48)) as writer:
        for index, time_s in enumerate(seconds):
            writer.write(np.full((48, 64, 3), 16 * index, np.uint8), time_s)
    start, arrivals, frames = time.monotonic(), [], []
    with Camera(str(tmp_path / "video.mp4")) as camera:
        while frame := camera.newest(after=frames[-1].number if frames else 0):
            arrivals.append(time.monotonic() - start)
            frames.append(frame)
    assert frames[-1].number == len(seconds)
    for frame, arrival in zip(frames, arrivals, strict=True):
        assert (
            frame.seconds == pytest.approx(seconds[frame.number - 1], abs=1e-3) and arrival >= frame.seconds
        )


@pytest.mark.parametrize("path", ["/dev/video0", "/dev/video12"])
def test_a_camera_may_be_given_by_the_path_of_its_device(fake_capture, tmp_path, path):
    """Also by a link, as those in /dev/v4l/by-id and by-path."""
    link = tmp_path / "usb-camera-index0"
    link.symlink_to(path)
    for source in (path, str(link)):
        capture = fake_capture(n_frames=1)
        with Camera(source) as camera:
            assert not camera.is_file and camera.newest().number == 1
        assert capture.sources == [int(path.removeprefix("/dev/video"))]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such devices")
@pytest.mark.parametrize("source", ["/dev/null", "/dev/zero", "/dev", "pipe.mp4"])
def test_a_source_that_is_neither_camera_nor_file_is_refused(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.mp4")
    with pytest.raises(ValueError, match=f"{source}.*not a camera"):
        Camera(source)


def test_a_video_file_that_ends_before_its_first_frame_is_named(tmp_path, write_video):
    path = write_video()
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.rindex(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with Camera(str(path)) as camera, pytest.raises(ValueError, match=r"video\.mp4"):
        camera.newest()


def test_leaving_the_context_stops_the_thread_and_releases_the_source(fake_capture):
    capture = fake_capture(n_frames=10**6, seconds_per_frame=0.01)
    with Camera("0") as camera:
        camera.newest()
    assert capture.released.wait(TIMEOUT_S) and not camera.thread.is_alive()
