"""Provide projects in which no step, some steps or all steps have run, and small data sets."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from helpers import Project, create_project

from pipeline.data import fer2013, synthetic_faces

# A shell that starts the tests in the background makes them and their children ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("SIGHUP", "SIGQUIT"):  # which nohup and such shells ignore; Windows has neither
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the long tests to the start, so that no process of pytest-xdist is left with one of them at the end.

    With --dist=worksteal each process gets a part of the list, which it runs in order, and when it has finished, half
    of what another one has left.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """No step has run."""
    return create_project(tmp_path / "a project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """`run.py --quick` has run all thirteen steps on the synthetic sample; its output is in printed.txt.

    Shared by all tests: a test that changes it takes a copy.
    """

    def run_all_steps(project: Project) -> None:
        printed = project.run("run.py", "--no-venv", "--quick")
        (project.root / "printed.txt").write_text(printed, encoding="utf-8")

    return create_once("finished", tmp_path_factory, run_all_steps)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Project:
    """Steps 2, 6 and 7 have run on 600 synthetic faces: ready to train. Tests take a copy."""

    def run_steps(project: Project) -> None:
        project.run("Load_dataSets.py", "--sample-size", 600)
        project.run("Pre-processing_Data.py")
        project.run("LeNet-5_model.py")

    return create_once("prepared", tmp_path_factory, run_steps)


def create_once(name: str, tmp_path_factory, run_steps: Callable[[Project], None]) -> Project:
    """Create a project once for all the processes that pytest-xdist distributes the tests to."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / f"{name}.lock"):
        if not (folder / name).exists():
            project = create_project(folder / f"unfinished-{name}" / "project")
            run_steps(project)
            project.root.parent.rename(folder / name)
    return Project(folder / name / "project")


@pytest.fixture(scope="session")
def small_table() -> fer2013.Table:
    """300 synthetic faces, all emotions in all splits."""
    emotion, pixels, usage = synthetic_faces.make_table(300, seed=1)
    return {"emotion": emotion, "pixels": pixels, "Usage": usage}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
