"""Copies of the project to run its scripts in, as a person does: as processes, from another folder."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.data import (
    fer2013,
    synthetic_faces,  # noqa: E402
)
from pipeline.workflow.artifacts import ArtifactStore  # noqa: E402

# A shell that starts the tests in the background has them and all that they start ignore Ctrl-C; some are about it.
signal.signal(signal.SIGINT, signal.default_int_handler)

QUIET = {"KERAS_BACKEND": "tensorflow", "PYTHONUTF8": "1"}


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
        command = [sys.executable, str(self.root / script), *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
        return subprocess.Popen(command, cwd=self.root.parent, env=os.environ | QUIET, **(pipes | options))

    def run(self, script: str, *arguments: object, status: int = 0) -> str:
        """Run a script, check its exit status, and return what it printed."""
        process = self.start(script, *arguments)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == status, printed
        return printed

    def copy(self, to: Path) -> "Project":
        shutil.copytree(self.root, to)
        return Project(to)


def fresh_project(root: Path) -> Project:
    root.mkdir(parents=True)
    for path in ROOT.glob("*.py"):
        shutil.copy(path, root)
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "models", root / "models")
    return Project(root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Nothing has run yet."""
    return fresh_project(tmp_path / "a project")


def made_once(name: str, tmp_path_factory, make: Callable[[Project], None]) -> Project:
    """A project that all tests share, though the processes be several among which they are dealt out."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / f"{name}.lock"):
        if not (folder / name).exists():
            project = fresh_project(folder / f"unfinished-{name}" / "project")
            make(project)
            project.root.parent.rename(folder / name)
    return Project(folder / name / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """All thirteen steps have run, on the drawn sample with default settings but for the number of epochs.

    Tests must not change it: they take a copy.
    """

    def make(project: Project) -> None:
        epochs = (project.root / "Compiling_model.py").read_text(encoding="utf-8")
        assert "epochs: int = 30 " in epochs
        edited = epochs.replace("epochs: int = 30 ", "epochs: int = 12 ")  # as a person edits it
        (project.root / "Compiling_model.py").write_text(edited, encoding="utf-8")
        printed = project.run("run.py", "--no-venv")
        (project.root / "printed.txt").write_text(printed, encoding="utf-8")

    return made_once("finished", tmp_path_factory, make)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Project:
    """Steps 2, 6 and 7 have run on a small drawn sample: ready to train. Tests take a copy."""

    def make(project: Project) -> None:
        project.run("Load_dataSets.py", "--sample-size", 600)
        project.run("Pre-processing_Data.py")
        project.run("LeNet-5_model.py")

    return made_once("prepared", tmp_path_factory, make)


@pytest.fixture(scope="session")
def small_table() -> fer2013.Table:
    """300 drawn faces, all emotions in all splits."""
    emotion, pixels, usage = synthetic_faces.make_table(300, seed=1)
    return {"emotion": emotion, "pixels": pixels, "Usage": usage}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two pictures' values: 1 if they show the same, about 0 if they show nothing in common."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
