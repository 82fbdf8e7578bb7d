"""Run the project's scripts in a copy of it, as a user does: as processes, started from another folder.

Also provides photographs (from scikit-image), and files that look like images but are invalid.
"""

import contextlib
import csv
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np
import skimage
from forked import ForkedScript
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS, Table
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import ROOT

ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "PYTHONUTF8": "1"}
TIMEOUT_S = 900  # of a script, on a machine that is busy


@dataclass
class Project:
    """A copy of the project with its own data/ and results/."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def results(self) -> Path:
        return self.root / "results"

    def store(self) -> ArtifactStore:
        return ArtifactStore(self.data)

    def start(self, script: str, *arguments: object, **options) -> subprocess.Popen:
        """Start a script; `options` go to subprocess.Popen."""
        command = [sys.executable, str(self.root / script), *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
        return subprocess.Popen(
            command, cwd=self.root.parent, env=os.environ | ENVIRONMENT, **(pipes | options)
        )

    def start_soon(self, script: str, *arguments: object) -> "subprocess.Popen | ForkedScript":
        """Start a script that leads its session, seconds sooner on Linux: libraries have been imported already.

        Not for tests of imports and of the interpreter's options, nor for run.py where it runs steps, which are other
        processes.
        """
        if sys.platform == "linux" and (script != "run.py" or {"--report", "--compare"} & set(arguments)):
            return ForkedScript(
                self.root / script, [str(value) for value in arguments], os.environ | ENVIRONMENT
            )
        return self.start(script, *arguments, start_new_session=True)

    def run(self, script: str, *arguments: object, status: int = 0, fork: bool = True) -> str:
        """Run a script, check its exit status, and return its output; without `fork`, in a new interpreter."""
        start = self.start_soon if fork else partial(self.start, start_new_session=True)
        process = start(script, *arguments)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        except BaseException:
            kill_process_group(process.pid)
            process.kill()
            process.wait()
            raise
        assert process.returncode == status, output
        return output

    def copy(self, to: Path) -> "Project":
        shutil.copytree(self.root, to)
        return Project(to)


def find_free_port() -> int:
    """Return a port of 127.0.0.1 that no server uses and that the system does not give to clients meanwhile."""
    for port in random.SystemRandom().sample(range(10_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")


def kill_process_group(pid: int) -> None:
    """Kill a process that leads its session, and its children."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def create_project(root: Path) -> Project:
    """Copy the scripts and all that they need to `root`; no step has run there."""
    root.mkdir(parents=True)
    for path in [*ROOT.glob("*.py"), ROOT / "pyproject.toml", ROOT / "README.md"]:
        shutil.copy(path, root)
    for folder in ("pipeline", "models", "requirements"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Project(root)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation of two images' values: 1 for the same image, about 0 for unrelated ones."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load_astronaut() -> Image.Image:
    """Return a photograph (250x250) of one smiling face."""
    return Image.fromarray(skimage.data.astronaut()).crop((100, 0, 350, 250))


def encode_png(width: int, height: int, depth: int = 8, color: int = 2, rows: int = 0) -> bytes:
    """Return a PNG file whose header declares a size, followed by that many rows of gray pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    compressor = zlib.compressobj(1)
    row = b"\0" + b"\x80" * (width * depth // 8 * {0: 1, 2: 3, 6: 4}[color])
    pixels = b"".join(compressor.compress(row) for _ in range(rows)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def damage_frames(path: Path, *numbers: int) -> Path:
    """Overwrite most bytes of some frames, the first of which has the number 1."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        places = [(packets[number - 1].pos, packets[number - 1].size) for number in numbers]
    content = bytearray(path.read_bytes())
    for position, size in places:
        start, end = position + 8, position + size * 3 // 4
        content[start:end] = np.random.default_rng(0).bytes(end - start)
    path.write_bytes(content)
    return path


def write_invalid_images(folder: Path) -> list[str]:
    """Write files that must be refused as images; return their names, and one of a file that does not exist."""
    existing = set(folder.iterdir())
    photograph = Image.fromarray(skimage.data.coffee())
    for kind in ("jpg", "png", "gif", "webp"):
        photograph.save(folder / f"cut.{kind}")
        content = (folder / f"cut.{kind}").read_bytes()
        (folder / f"cut.{kind}").write_bytes(content[:40])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("This is text.")
    (folder / "start.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 200)
    (folder / "bomb.png").write_bytes(encode_png(30_000, 30_000))
    (folder / "nothing.png").write_bytes(encode_png(100, 100))
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("RGB", (3000, 19)).save(folder / "thin.png")
    for name, value in (("nan", np.nan), ("inf", np.inf), ("below", -1.0)):
        grays = np.full((50, 50), 0.5, np.float32)
        grays[20, 20] = value
        Image.fromarray(grays).save(folder / f"{name}.tif")
    return [*sorted(path.name for path in set(folder.iterdir()) - existing), "missing.jpg"]


def write_image_folder(
    root: Path, table: Table, splits: dict[str, str], emotions: Sequence[str] = EMOTIONS, suffix: str = "png"
) -> None:
    """Write a table as <split>/<emotion>/<row>.<suffix>; `splits` and `emotions` are the names of the folders."""
    columns = (table["emotion"], table["pixels"], table["Usage"])
    for row, (label, pixels, usage) in enumerate(zip(*columns, strict=True)):
        folder = root / splits[usage] / emotions[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{row:05}.{suffix}")


def assert_same_bits(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    """Assert that two lists of arrays, such as weights, are equal bit for bit."""
    assert len(first) == len(second)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


def list_checkpoints(store: ArtifactStore) -> list[str]:
    """Return the names of the checkpoints of unfinished trainings."""
    return [name for name in store.manifest()["artifacts"] if name.startswith("checkpoint_")]


def wait_for_epochs(project: Project, n_epochs: int, process: "subprocess.Popen | ForkedScript") -> None:
    """Wait until the training that `process` runs has a checkpoint of at least `n_epochs` epochs."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        store = project.store()
        for name in list_checkpoints(store):
            if len(store.read(name)["history"]["loss"]) >= n_epochs:
                return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"no checkpoint of {n_epochs} epochs: {process.communicate()[0]}")
