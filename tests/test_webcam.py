"""Webcam.py in a real window and without one: what is seen, the keys, whole recordings, and what can go wrong."""

import csv
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from helpers import ROOT, create_project
from PIL import Image, ImageGrab

from pipeline.figures.palette import EMOTION_COLORS, to_rgb
from pipeline.vision import video_io
from pipeline.workflow.artifacts import ArtifactStore

RATE = 15.0


@pytest.fixture(scope="module")
def webcam(tmp_path_factory):
    """A project in which nothing has run; tests share its results."""
    return create_project(tmp_path_factory.mktemp("webcam") / "project")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """A minute of the astronaut, who smiles, moving over a photograph of no one."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, (320, 240))
    for number in range(int(60 * RATE)):
        writer.write(scene(number % 40))
    writer.release()
    return path


@lru_cache
def scene(number: int) -> np.ndarray:
    """A frame as OpenCV has it, BGR."""
    picture = cv2.resize(skimage.data.coffee(), (320, 240))
    left = 10 + number
    picture[20:220, left : left + 200] = cv2.resize(skimage.data.astronaut()[:256, 96:352], (200, 200))
    return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)


def recorded(results: Path) -> tuple[cv2.VideoCapture, list[dict[str, str]]]:
    """The newest recording: its video, opened, and the rows of its table."""
    path = max((results / "webcam").glob("*.mp4"))
    rows = list(csv.DictReader(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))
    return cv2.VideoCapture(str(path)), rows


# --------------------------------------------------------------------------------------------------
# In a window
# --------------------------------------------------------------------------------------------------
@pytest.fixture
def display(monkeypatch):
    """A screen of its own, in memory."""
    if not shutil.which("Xvfb") or not shutil.which("xdotool"):
        pytest.skip("Xvfb and xdotool are not installed")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as told:
            monkeypatch.setenv("DISPLAY", f":{told.readline().strip()}")
        yield os.environ["DISPLAY"]
        server.terminate()


def wait_for(happens, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until, "it has not happened"
        time.sleep(0.05)


def press(key: str, how: str = "key") -> None:
    """Type a key into the window; how "keydown" does not let go of it."""
    window = [
        "xdotool",
        "search",
        "--sync",
        "--onlyvisible",
        "--name",
        "Facial expressions",
        "windowfocus",
        "--sync",
    ]
    subprocess.run([*window, how, key], check=True, capture_output=True, timeout=20)


def test_a_window_shows_the_face_and_obeys_its_keys(webcam, film, display):
    process = webcam.start("Webcam.py", "--source", film)
    happy = np.array(to_rgb(EMOTION_COLORS["Happy"]))

    def seen() -> int:
        """How many pixels of the screen have Happy's color."""
        return int(
            (np.abs(np.asarray(ImageGrab.grab(xdisplay=display)).astype(int) - happy) < 12).all(-1).sum()
        )

    wait_for(lambda: seen() > 500)
    folder = webcam.results / "webcam"
    press("s")
    wait_for(lambda: list(folder.glob("*.png")))
    press("r")
    time.sleep(1)
    press("r")
    wait_for(lambda: list(folder.glob("*.csv")))
    press("space")
    time.sleep(0.5)
    before = np.asarray(ImageGrab.grab(xdisplay=display))[:200]
    time.sleep(0.5)
    assert np.array_equal(before, np.asarray(ImageGrab.grab(xdisplay=display))[:200]), (
        "it goes on though paused"
    )
    press("q", "keydown")  # the window may close before the key is let go, which would then be an error
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in printed, printed
    assert "recognized by Compact.tflite" in printed

    with Image.open(next(folder.glob("*.png"))) as saved:
        assert saved.size == (320, 240)
    video, rows = recorded(webcam.results)
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 0.5 * RATE
    assert {row["emotion"] for row in rows} == {"Happy"} and {row["face"] for row in rows} == {"1"}


def test_without_a_display_a_sentence_says_what_else_there_is(webcam, film, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    printed = webcam.run("Webcam.py", "--source", film, status=1)
    assert "no display" in printed and "--headless" in printed and "Traceback" not in printed


# --------------------------------------------------------------------------------------------------
# Without one
# --------------------------------------------------------------------------------------------------
def test_headless_records_a_video_and_a_table(webcam, film):
    printed = webcam.run("Webcam.py", "--source", film, "--headless", "--seconds", 2)
    assert "recording to results/webcam/" in printed
    video, rows = recorded(webcam.results)
    assert (
        abs(video.get(cv2.CAP_PROP_FRAME_COUNT) - 2 * RATE) <= 2
    )  # its time is the film's, whatever was left out
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds) and seconds[0] == 0 and 1 < seconds[-1] < 2
    assert {row["emotion"] for row in rows} == {"Happy"} and {row["face"] for row in rows} == {"1"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_was_recorded_is_whole_when_it_is_stopped(webcam, film, how):
    before = len(list((webcam.results / "webcam").glob("*.csv")))
    process = webcam.start("Webcam.py", "--source", film, "--headless")
    unfinished = webcam.results / "webcam"
    wait_for(lambda: any(path.stat().st_size > 50_000 for path in unfinished.glob(".unfinished-*.mp4")))
    process.send_signal(how)
    printed, _ = process.communicate(timeout=20)
    assert process.returncode and "Traceback" not in printed, printed
    assert len(list((webcam.results / "webcam").glob("*.csv"))) == before + 1
    video, rows = recorded(webcam.results)
    assert rows and video.get(cv2.CAP_PROP_FRAME_COUNT) > 1 and not list(unfinished.glob(".unfinished*"))


def test_a_camera_that_is_not_there_is_a_sentence(webcam):
    printed = webcam.run("Webcam.py", "--source", 99, "--headless", status=1)
    assert "Camera 99 cannot be opened" in printed and "--source 1" in printed and "Traceback" not in printed


class Unplugged:
    """A camera as OpenCV has it, that is pulled out after ten frames."""

    def __init__(self, source):
        self.number = 0

    def isOpened(self) -> bool:
        return True

    def get(self, what: int) -> float:
        return RATE

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.05)
        self.number += 1
        there = self.number <= 10
        return there, scene(self.number) if there else None

    def release(self) -> None:
        pass


class Hanging(Unplugged):
    """One that stops answering instead."""

    def read(self) -> tuple[bool, np.ndarray | None]:
        there, picture = super().read()
        if not there:
            time.sleep(3)
        return there, picture


@pytest.mark.parametrize(
    ("camera", "sentence"), [(Unplugged, "no more pictures"), (Hanging, "No picture has come")]
)
def test_a_camera_unplugged_midway_is_a_sentence_and_the_recording_whole(
    monkeypatch, tmp_path, camera, sentence
):
    script = runpy.run_path(str(ROOT / "Webcam.py"))
    in_script = script["main"].__globals__
    monkeypatch.setitem(in_script, "FOLDER", tmp_path / "webcam")
    monkeypatch.setitem(in_script, "shown_path", str)
    monkeypatch.setattr(video_io.cv2, "VideoCapture", camera)
    monkeypatch.setattr(camera.Camera.newest, "__defaults__", (0, 1.0))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(ValueError, match=sentence):
        script["main"](script["Settings"](headless=True), ArtifactStore(tmp_path / "data"))
    monkeypatch.undo()
    film, rows = recorded(tmp_path)
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) > 1 and len(rows) > 1


def test_tensorflow_is_not_started(webcam, film):
    code = (
        "import runpy, sys; sys.argv = ['Webcam.py', '--source', sys.argv[1], '--headless', '--seconds', '0.2']; "
        "runpy.run_path('Webcam.py', run_name='__main__'); print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, str(film)]
    loaded = subprocess.run(
        command, cwd=webcam.root, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "cv2" in loaded and not {"tensorflow", "keras", "pandas", "matplotlib"} & set(loaded)
