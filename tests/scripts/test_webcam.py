"""Webcam.py in a window and without one: keys, recordings, signals, and a missing camera or display."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from helpers import create_project, load_astronaut, read_rows
from PIL import Image, ImageGrab

from pipeline.figures.palette import EMOTION_COLORS, to_rgb
from pipeline.models import model_zoo
from pipeline.vision.video_io import VideoReader
from pipeline.vision.video_writer import open_video_writer

pytestmark = pytest.mark.slow

FPS = 15.0
TIMEOUT_S = 30


@pytest.fixture(scope="module")
def webcam(tmp_path_factory):
    """A project in which no step has run; the tests share its results."""
    return create_project(tmp_path_factory.mktemp("webcam") / "project")


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """One minute of a smiling face that moves over a cup of coffee."""
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    background = cv2.resize(skimage.data.coffee(), (320, 240))
    face = np.asarray(load_astronaut().resize((200, 200)))
    with open_video_writer(path, FPS, (320, 240)) as writer:
        for index in range(int(60 * FPS)):
            image = background.copy()
            left = 10 + index % 40
            image[20:220, left : left + 200] = face
            writer.write(image)
    return path


def newest_recording(results: Path) -> tuple[list[float], list[dict[str, str]]]:
    """Return the times of the frames of the newest recording in seconds, and the rows of its table."""
    path = max((results / "webcam").glob("*.mp4"))
    return [frame.seconds for frame in VideoReader(path)], read_rows(path.with_suffix(".csv"))


def assert_same_frames(times: list[float], rows: list[dict[str, str]]) -> None:
    """The signal may have come after the rows of a frame and before the frame itself."""
    n_in_table = len({row["frame"] for row in rows})
    assert len(times) > 1 and n_in_table - len(times) in (0, 1)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "timeout"
        time.sleep(0.05)


# --------------------------------------------------------------------------------------------------
# With a window
# --------------------------------------------------------------------------------------------------
@pytest.fixture
def display(monkeypatch):
    """An X server without a screen."""
    if not shutil.which("Xvfb") or not shutil.which("xdotool"):
        pytest.skip("Xvfb and xdotool are not installed")
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "800x600x24"]
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        with os.fdopen(reader) as file:
            monkeypatch.setenv("DISPLAY", f":{file.readline().strip()}")
        yield os.environ["DISPLAY"]
        server.terminate()


def press(key: str, action: str = "key") -> None:
    """Type a key into the window; the action "keydown" does not release it."""
    find = ["search", "--sync", "--onlyvisible", "--name", "Facial expressions", "windowfocus", "--sync"]
    subprocess.run(["xdotool", *find, action, key], check=True, capture_output=True, timeout=TIMEOUT_S)


@pytest.mark.display
def test_the_window_shows_the_face_and_the_keys_work(webcam, video, display):
    process = webcam.start("Webcam.py", "--source", video)
    happy = np.array(to_rgb(EMOTION_COLORS["Happy"]))

    def grab() -> np.ndarray:
        return np.asarray(ImageGrab.grab(xdisplay=display)).astype(int)

    def is_paused() -> bool:
        """The image is the same for half a second."""
        before = grab()[:200]
        time.sleep(0.5)
        return np.array_equal(grab()[:200], before)

    wait_for(lambda: (np.abs(grab() - happy) < 12).all(axis=-1).sum() > 500)
    wait_for(lambda: not is_paused())
    folder = webcam.results / "webcam"
    press("s")
    wait_for(lambda: list(folder.glob("*.png")))
    press("r")
    wait_for(lambda: list(folder.glob("*.mp4")))
    time.sleep(1)
    press("r")
    wait_for(lambda: list(folder.glob("*.csv")))
    press("space")
    wait_for(is_paused)
    press("q", "keydown")  # releasing the key fails if the window has closed by then
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0 and "Traceback" not in output, output
    assert model_zoo.DEFAULT_MODEL.name in output

    with Image.open(next(folder.glob("*.png"))) as image:
        assert image.size == (320, 240)
    times, rows = newest_recording(webcam.results)
    assert times[-1] >= 0.5
    assert {row["emotion"] for row in rows} == {
        "Happy"
    }  # a busy machine may skip the second that ends a track


@pytest.mark.display
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_recording_of_the_window_is_complete_after_a_signal(webcam, video, display, name):
    folder = webcam.results / "webcam"
    before = set(folder.glob("*.mp4"))
    process = webcam.start("Webcam.py", "--source", video)
    press("r")
    wait_for(lambda: any(path.stat().st_size > 50_000 for path in set(folder.glob("*.mp4")) - before))
    process.send_signal(getattr(signal, name))
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode and "Traceback" not in output, output
    times, rows = newest_recording(webcam.results)
    assert_same_frames(times, rows)
    assert VideoReader(max(folder.glob("*.mp4"))).frame_count == len(times)  # the index is complete


def test_without_a_display_the_error_names_the_alternatives(webcam, video, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    output = webcam.run("Webcam.py", "--source", video, status=1)
    assert "--headless" in output and "Webcam_page.py" in output and "Traceback" not in output


# --------------------------------------------------------------------------------------------------
# Without a window
# --------------------------------------------------------------------------------------------------
def test_headless_records_a_video_and_a_table(webcam, video):
    output = webcam.run("Webcam.py", "--source", video, "--headless", "--seconds", 2)
    assert "results/webcam/" in output
    times, rows = newest_recording(webcam.results)
    assert 1 < times[-1] < 2
    seconds = [float(row["seconds"]) for row in rows]
    np.testing.assert_allclose(seconds, times, atol=1e-3)
    assert {(row["emotion"], row["face"]) for row in rows} == {("Happy", "1")}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_recording_is_complete_after_a_signal(webcam, video, name):
    folder = webcam.results / "webcam"
    before = set(folder.glob("*"))
    process = webcam.start("Webcam.py", "--source", video, "--headless")
    wait_for(lambda: any(path.stat().st_size > 50_000 for path in set(folder.glob("*.mp4")) - before))
    process.send_signal(getattr(signal, name))
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode and "Traceback" not in output, output
    created = set(folder.glob("*")) - before
    assert sorted(path.suffix for path in created) == [".csv", ".mp4"] and not list(folder.glob(".*"))
    times, rows = newest_recording(webcam.results)
    assert rows and len(times) > 1 and not VideoReader(max(folder.glob("*.mp4"))).notes
    assert_same_frames(times, rows)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGQUIT"])
def test_a_killed_recording_can_be_read_up_to_the_last_second(webcam, video, name):
    folder = webcam.results / "webcam"
    before = set(folder.glob("*"))
    process = webcam.start("Webcam.py", "--source", video, "--headless")
    wait_for(lambda: any(path.stat().st_size > 100_000 for path in set(folder.glob("*.mp4")) - before))
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=TIMEOUT_S)
    assert sorted(path.suffix for path in set(folder.glob("*")) - before) == [".csv", ".mp4"]
    times, rows = newest_recording(webcam.results)
    assert len(times) > 1 and float(rows[-1]["seconds"]) - times[-1] < 2


def test_a_missing_camera_is_an_error_with_a_remedy(webcam):
    output = webcam.run("Webcam.py", "--source", 99, "--headless", status=1)
    assert "Camera 99" in output and "--source 1" in output and "Traceback" not in output


def test_neither_tensorflow_nor_matplotlib_is_imported(webcam, video, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # prints "import time: self | total | module"
    output = webcam.run("Webcam.py", "--source", video, "--headless", "--seconds", 0.2, fork=False)
    lines = (line for line in output.splitlines() if line.startswith("import time:"))
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "cv2" in imported and not {"tensorflow", "keras", "pandas", "matplotlib"} & imported
