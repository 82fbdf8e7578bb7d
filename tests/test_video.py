"""Videos give every frame with its time, recordings are whole, and a camera's newest frame wins."""

import sys
import threading
import time
from pathlib import Path

pass
import cv2
import numpy as np
import pytest

from pipeline.vision import video_io
from pipeline.vision.camera import Camera
from pipeline.vision.video_io import VideoReader, open_video_writer


def write_film(path: Path, rate: float, frames: int = 12, size: tuple[int, int] = (64, 48)) -> Path:
    """A film that gets brighter by 16 from frame to frame."""
    with open_video_writer(path, rate, size) as film:
        for number in range(frames):
            film.write(np.full((size[1], size[0], 3), 16 * number, np.uint8))
    return path


# --------------------------------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rate", [23.976, 7.5, 59.94, 25])
def test_every_frame_comes_in_order_at_its_time(tmp_path, rate):
    film = VideoReader(write_film(tmp_path / "film.mp4", rate))
    frames = list(film)
    assert film.rate == pytest.approx(rate) and film.length == 12 and not film.is_truncated
    assert [frame.number for frame in frames] == list(range(1, 13))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / rate, atol=1e-3)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], 16 * np.arange(12), atol=5)
    assert frames[0].size == (64, 48) and frames[0].picture.shape == (48, 64, 3)


def test_colors_stay_what_they_are(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    with open_video_writer(tmp_path / "red.mp4", 25, (64, 48)) as film:
        film.write(red)
    (frame,) = VideoReader(tmp_path / "red.mp4")
    np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), (200, 0, 0), atol=8)


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_what_is_no_video_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("I am no video.")
    (tmp_path / "folder.mp4").mkdir()
    cut(write_film(tmp_path / "cut.mp4", 25), 0.5)  # the index stands at the end of it
    bad = {
        "empty": "it is empty",
        "text": "unknown kind",
        "cut": "cut short",
        "folder": "no file",
        "none": "not there",
    }
    for name, why in bad.items():
        with pytest.raises((ValueError, FileNotFoundError), match=why) as refused:
            list(VideoReader(tmp_path / f"{name}.mp4"))
        assert f"{name}.mp4" in str(refused.value)


def test_of_a_film_that_is_cut_short_what_is_there_is_read(tmp_path, rng):
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (64, 48))
    for _ in range(12):
        writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    film = VideoReader(cut(tmp_path / "film.avi", 0.6))
    frames = list(film)
    assert 3 < len(frames) < 11 and film.length == 12 and film.is_truncated
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(len(frames)) / 12.5, atol=1e-3)


class FakeCapture:
    """A source of `frames` black frames of which each takes `pause` seconds; then it ends, or hangs."""

    def __init__(self, frames: int = 0, pause: float = 0, hangs: bool = False, opens: bool = True):
        self.left, self.pause, self.hangs, self.opens = frames, pause, hangs, opens
        self.released = threading.Event()

    def isOpened(self) -> bool:
        return self.opens

    def get(self, what: int) -> float:
        return 0.0  # as sources do that don't tell

    def read(self) -> tuple[bool, np.ndarray | None]:
        if not self.left:
            if self.hangs:
                self.released.wait(5)
            return False, None
        time.sleep(self.pause)
        self.left -= 1
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self) -> None:
        self.released.set()


@pytest.fixture
def opened(monkeypatch):
    """Puts a fake in the place of whatever OpenCV would open."""

    def put(capture: FakeCapture) -> FakeCapture:
        monkeypatch.setattr(video_io.cv2, "VideoCapture", lambda *source: capture)
        return capture

    return put


def test_a_film_without_frames_is_refused_and_one_without_times_has_the_usual_rate(tmp_path, opened):
    (tmp_path / "film.mp4").write_bytes(b"x")
    opened(FakeCapture(frames=0))
    with pytest.raises(ValueError, match=r"film\.mp4 cannot be read as a video \(it has no frames\)"):
        list(VideoReader(tmp_path / "film.mp4"))
    opened(FakeCapture(frames=3))
    film = VideoReader(tmp_path / "film.mp4")
    np.testing.assert_allclose([frame.seconds for frame in film], np.arange(3) / 25)
    assert film.length == 0 and not film.is_truncated


def test_times_are_those_that_the_file_tells_where_it_does(tmp_path, opened):
    (tmp_path / "film.mp4").write_bytes(b"x")
    capture = opened(FakeCapture(frames=4))
    told = iter([0.0, 10.0, 500.0, 0.0])  # milliseconds; the last isn't told
    capture.get = lambda what: next(told) if what == cv2.CAP_PROP_POS_MSEC else 10.0
    seconds = [frame.seconds for frame in VideoReader(tmp_path / "film.mp4")]
    np.testing.assert_allclose(seconds, [0, 0.01, 0.5, 0.6])


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="all names are Unicode there")
def test_a_name_that_is_not_utf_8_does_not_end_the_process(tmp_path):
    film = write_film(tmp_path / "film.mp4", 25).rename(tmp_path / "film \udcff.mp4")
    with pytest.raises(ValueError, match="not UTF-8"):
        VideoReader(film)
    with pytest.raises(OSError, match="not UTF-8"), open_video_writer(film, 25, (64, 48)):
        pass
    assert list(tmp_path.iterdir()) == [film]


# --------------------------------------------------------------------------------------------------
# Recordings
# --------------------------------------------------------------------------------------------------
def test_a_recording_that_is_broken_off_keeps_what_came(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_video_writer(tmp_path / "film.mp4", 25, (64, 48)) as film:
        for _ in range(5):
            film.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert len(list(VideoReader(tmp_path / "film.mp4"))) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_what_cannot_be_recorded_is_told_and_leaves_nothing(tmp_path):
    with (
        pytest.raises(OSError, match="cannot be written as a video"),
        open_video_writer(tmp_path / "x.mp4", 25, (0, 0)),
    ):
        pass
    assert not list(tmp_path.iterdir())


# --------------------------------------------------------------------------------------------------
# Cameras
# --------------------------------------------------------------------------------------------------
def test_of_a_camera_the_newest_frame_wins(opened):
    capture = opened(FakeCapture(frames=30, pause=0.01))
    with Camera("0") as camera:
        first = camera.newest()
        time.sleep(0.1)  # what is done with the first takes a while
        later = camera.newest(after=first.number)
        assert later.number > first.number + 2 and later.seconds > first.seconds + 0.05
        assert camera.newest(after=later.number).number > later.number
        last = None
        while frame := camera.newest(after=last.number if last else 0):
            last = frame
        assert last.number == 30 and camera.ended
    assert capture.released.is_set()


def test_a_camera_that_hangs_is_told(opened):
    capture = opened(FakeCapture(frames=1, hangs=True))
    with Camera("0") as camera:
        assert camera.newest().number == 1
        with pytest.raises(ValueError, match="No picture has come from 0 for 0 seconds"):
            camera.newest(after=1, wait=0.1)
        capture.release()  # so that the test need not wait


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_camera_whose_pictures_are_broken_ends(opened):
    capture = opened(FakeCapture(frames=1))
    capture.read = lambda: (True, np.zeros((0, 0, 3), np.uint8))  # OpenCV raises an error in the thread
    with Camera("0") as camera:
        assert camera.newest(wait=2) is None
    assert capture.released.is_set()


def test_what_cannot_be_opened_is_told(opened, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.mp4 is not there"):
        Camera(str(tmp_path / "none.mp4"))
    opened(FakeCapture(opens=False))
    with pytest.raises(ValueError, match="Camera 7 cannot be opened"):
        Camera("7")
    with pytest.raises(ValueError, match="The stream rtsp://x cannot be opened"):
        Camera("rtsp://x")


def test_a_file_plays_as_a_camera_at_its_own_speed(tmp_path):
    path = write_film(tmp_path / "film.mp4", 20, frames=8)
    started, frames = time.monotonic(), []
    with Camera(str(path)) as camera:
        while frame := camera.newest(after=frames[-1].number if frames else 0):
            frames.append(frame)
    assert time.monotonic() - started >= 7 / 20
    assert frames[-1].number == 8
    np.testing.assert_allclose(
        [frame.seconds for frame in frames], [(frame.number - 1) / 20 for frame in frames]
    )
    np.testing.assert_allclose(
        [frame.image.mean() for frame in frames], [16 * (frame.number - 1) for frame in frames], atol=5
    )


def test_a_camera_that_is_left_stops(opened):
    capture = opened(FakeCapture(frames=10**6, pause=0.01))
    with Camera("0") as camera:
        camera.newest()
    assert capture.released.wait(1) and not camera.thread.is_alive()
