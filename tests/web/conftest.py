"""Provide a photograph, the files that users upload, and a page that is being served."""

import importlib.util
import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import TIMEOUT_S, Project, create_project, find_free_port

from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.recognition import SharedClassifier

MAX_UPLOAD_MB = 2  # limit of the page that is served


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """A smiling woman, (480, 640, 3) uint8 RGB."""
    from skimage import data

    face = cv2.resize(data.astronaut(), (480, 480), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(face, 0, 0, 80, 80, cv2.BORDER_REPLICATE)


@pytest.fixture(scope="session")
def uploads(tmp_path_factory, photograph) -> Path:
    """A folder with smile.png, smile.mp4 of 12 frames, notes.jpg (text), large.jpg, and camera.mjpeg."""
    folder = tmp_path_factory.mktemp("uploads")
    image = photograph[..., ::-1]  # OpenCV writes BGR
    cv2.imwrite(str(folder / "smile.png"), image)
    (folder / "notes.jpg").write_text("This is not an image.")
    (folder / "large.jpg").write_bytes(b"\xff" * (MAX_UPLOAD_MB * 2**20 + 1))
    frame = cv2.imencode(".jpg", image)[1].tobytes()
    (folder / "camera.mjpeg").write_bytes(frame * 30)
    video = cv2.VideoWriter(str(folder / "smile.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (640, 480))
    for shift in range(12):
        video.write(np.roll(image, shift, axis=1))
    video.release()
    return folder


@pytest.fixture(scope="session")
def classifier() -> SharedClassifier:
    return SharedClassifier(EmotionClassifier(model_zoo.DEFAULT_MODEL))


@dataclass
class PageServer:
    """A running Webcam_page.py whose temporary files are all in `temporary`."""

    process: subprocess.Popen
    url: str
    temporary: Path
    other_machine: socket.socket  # receives all requests to other machines
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def stored_files(self) -> list[Path]:
        """Return the files on disk that are not empty."""
        return [path for path in self.temporary.rglob("*") if path.is_file() and path.stat().st_size]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM if os.name != "nt" else signal.CTRL_C_EVENT)
            output, _ = self.process.communicate(timeout=TIMEOUT_S)
            self.lines += output.splitlines()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A page that is being served. At the end, it must have printed no error, kept no file and called no machine."""
    if not importlib.util.find_spec("gradio"):
        pytest.skip("gradio is not installed")
    folder = tmp_path_factory.mktemp("server")
    server = start_server(create_project(folder / "a project"), folder / "temporary")
    yield server
    server.stop()
    output = "\n".join(server.lines)
    assert "Traceback" not in output and "Warning" not in output, output
    assert not list(server.temporary.iterdir()), "temporary files are left after the end"
    server.other_machine.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.other_machine.accept()
    server.other_machine.close()


@pytest.fixture
def own_server(tmp_path):
    """A page that the test may end."""
    server = start_server(create_project(tmp_path / "a project"), tmp_path / "temporary")
    yield server
    server.process.kill()
    server.process.communicate()
    server.other_machine.close()


def start_server(project: Project, temporary: Path) -> PageServer:
    temporary.mkdir()
    port = find_free_port()
    other_machine = socket.create_server(("127.0.0.1", 0))
    proxy = f"http://127.0.0.1:{other_machine.getsockname()[1]}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(temporary))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            environment.setenv(name, proxy)
            environment.setenv(name.lower(), proxy)
        for name in ("NO_PROXY", "no_proxy"):
            environment.setenv(name, "127.0.0.1,localhost")
        process = project.start("Webcam_page.py", "--port", port, "--max-upload-mb", MAX_UPLOAD_MB)
    server = PageServer(process, f"http://127.0.0.1:{port}/", temporary, other_machine)
    for line in process.stdout:
        server.lines.append(line.rstrip())
        if "Ctrl-C" in line:
            return server
    raise AssertionError("\n".join(server.lines))
