"""The live view of a camera: annotation, saved images, recordings, and cameras that fail."""

import time
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import load_astronaut, read_rows

from pipeline.data.image_io import read_image
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import camera as camera_module
from pipeline.vision.annotate import EMOTION_RGB
from pipeline.vision.camera import Camera
from pipeline.vision.frame_pipeline import FramePipeline
from pipeline.vision.live import LiveView
from pipeline.vision.video_io import Frame, VideoReader

FPS = 10.0
FACE = np.asarray(load_astronaut())


def make_frame(index: int = 0) -> np.ndarray:
    """A face in the left half of a dark image (250, 400, 3)."""
    image = np.full((250, 400, 3), 40, np.uint8)
    image[:, index : 250 + index] = FACE
    return image


class FakeCamera:
    """A camera whose frames have the given numbers; the numbers in between were skipped."""

    source, fps, is_file = "0", FPS, False

    def __init__(self, *numbers: int):
        self.numbers = list(numbers)

    def newest(self, after: int = 0, timeout: float = 5.0) -> Frame | None:
        if not self.numbers:
            return None
        number = self.numbers.pop(0)
        assert number > after
        return Frame(number, (number - 1) / FPS, make_frame())

    def open_sound(self, seconds: float) -> None:
        return None


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier(model_zoo.DEFAULT_MODEL)


@pytest.fixture
def open_view(tmp_path, classifier) -> Callable[..., LiveView]:
    return lambda camera, **options: LiveView(camera, FramePipeline(classifier), tmp_path / "out", **options)


def is_happy_color(image: np.ndarray) -> np.ndarray:
    return np.abs(image.astype(int) - EMOTION_RGB["Happy"]).max(axis=2) < 12


def files_by_extension(folder: Path) -> dict[str, Path]:
    return {path.suffix: path for path in folder.iterdir()}


def test_the_face_is_annotated(open_view):
    view = open_view(FakeCamera(1))
    image = view.next_image()
    assert is_happy_color(image).sum() > 500 and image is view.image
    assert view.n_frames == 1 and view.fps == FPS


def test_the_image_is_mirrored_before_it_is_annotated(open_view):
    image = open_view(FakeCamera(1), mirror=True, bars=False).next_image()
    plain = open_view(FakeCamera(1), bars=False).next_image()
    _, columns = np.nonzero(is_happy_color(image))
    _, plain_columns = np.nonzero(is_happy_color(plain))
    assert plain_columns.mean() < 200 < columns.mean()  # the face is in the other half
    np.testing.assert_array_equal(image[200:, ::-1], plain[200:])  # below the face


def test_the_view_ends_after_max_seconds(open_view):
    view = open_view(FakeCamera(1, 2, 3, 4, 5), max_seconds=0.25)
    while view.next_image() is not None:
        pass
    assert view.n_frames == 3 and view.seconds == pytest.approx(0.2)


def test_the_frame_rate_is_that_of_the_processed_frames(open_view):
    view = open_view(FakeCamera(*range(1, 160, 4)))
    view.frame_pipeline.process = lambda image, seconds: []
    for _ in range(40):
        view.next_image()
    assert view.fps == pytest.approx(FPS / 4, rel=0.1)


def test_the_current_image_is_saved(open_view, tmp_path):
    view = open_view(FakeCamera(1))
    assert view.save_image() is None and not (tmp_path / "out").exists()
    view.next_image()
    np.testing.assert_array_equal(read_image(view.save_image()).pixels, view.image)


def test_a_recording_has_the_times_of_the_frames(open_view):
    view = open_view(FakeCamera(3, 4, 9, 10))
    path = view.start_recording()
    for _ in range(4):
        view.next_image()
    view.stop_recording()
    assert view.recorder is None
    files = files_by_extension(path.parent)
    assert set(files) == {".mp4", ".csv"}
    seconds = [frame.seconds for frame in VideoReader(files[".mp4"])]
    np.testing.assert_allclose(seconds, [0, 0.1, 0.6, 0.7], atol=1e-3)
    rows = read_rows(files[".csv"])
    assert [(row["frame"], float(row["seconds"])) for row in rows] == [
        ("3", 0.0), ("4", 0.1), ("9", 0.6), ("10", 0.7),
    ]  # fmt: skip
    assert {(row["file"], row["face"], row["emotion"]) for row in rows} == {("0", "1", "Happy")}


def test_a_second_recording_has_files_of_its_own(open_view, tmp_path):
    view = open_view(FakeCamera(1, 2))
    for _ in range(2):
        view.start_recording()
        view.next_image()
        view.stop_recording()
        time.sleep(0.002)  # their names have milliseconds
    assert len(list((tmp_path / "out").glob("*.mp4"))) == len(list((tmp_path / "out").glob("*.csv"))) == 2


# --------------------------------------------------------------------------------------------------
# Cameras that fail
# --------------------------------------------------------------------------------------------------
class UnpluggedCapture:
    """Stands in for cv2.VideoCapture: a camera that is unplugged after five frames have been processed."""

    n_processed = 0

    def __init__(self, source):
        self.n_reads = 0

    def isOpened(self) -> bool:
        return True

    def get(self, key: int) -> float:
        return FPS

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.05)
        self.n_reads += 1
        success = self.n_processed < 5
        return success, cv2.cvtColor(make_frame(self.n_reads), cv2.COLOR_RGB2BGR) if success else None

    def release(self) -> None:
        pass


class HangingCapture(UnpluggedCapture):
    """A camera that delivers no frame after these."""

    def read(self) -> tuple[bool, np.ndarray | None]:
        success, image = super().read()
        if not success:
            time.sleep(2)
        return success, image


@pytest.mark.slow
@pytest.mark.parametrize(
    ("capture", "message"), [(UnpluggedCapture, "stopped delivering"), (HangingCapture, "from 0")]
)
def test_a_camera_that_fails_is_an_error_and_the_recording_is_complete(
    monkeypatch, open_view, tmp_path, capture, message
):
    with monkeypatch.context() as patch:
        patch.setattr(camera_module.cv2, "VideoCapture", capture)
        patch.setattr(capture, "n_processed", 0)
        patch.setattr(Camera, "newest", partialmethod(Camera.newest, timeout=1.0))
        with (
            pytest.raises(ValueError, match=message),
            Camera("0") as camera,
            open_view(camera) as view,
        ):
            view.start_recording()
            while view.next_image() is not None:
                capture.n_processed += 1
    files = files_by_extension(tmp_path / "out")
    assert set(files) == {".mp4", ".csv"}
    assert len(read_rows(files[".csv"])) > 1 and sum(1 for _ in VideoReader(files[".mp4"])) > 1
