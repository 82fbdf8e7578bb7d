"""Recognizing faces needs the dependencies in pyproject.toml without an extra: no TensorFlow, no Matplotlib."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import numpy as np
import pytest
from helpers import create_project, load_astronaut
from packaging.requirements import Requirement

from pipeline.vision.video_writer import open_video_writer
from pipeline.workflow.steps import ROOT

pytestmark = pytest.mark.slow

LISTED_IMPORT = re.compile(r"import time: .*\| +(\w+)")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A project in which no step has run, with a photograph and a video beside it."""
    folder = tmp_path_factory.mktemp("untrained")
    load_astronaut().save(folder / "me.png")
    with open_video_writer(folder / "me.mp4", 10.0, (250, 250)) as writer:
        for _ in range(3):
            writer.write(np.asarray(load_astronaut()))
    return create_project(folder / "project")


def required_packages() -> set[str]:
    """Return the normalized names of the declared dependencies without extras, and of what these require."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)[1]
    pending, found = re.findall(r'^    "([\w.-]+)', declared, re.MULTILINE), set()
    while pending:
        name = normalize(pending.pop())
        if name in found:
            continue
        found.add(name)
        try:
            requirements = [Requirement(line) for line in requires(name) or ()]
        except PackageNotFoundError:  # of another platform
            continue
        pending += [
            each.name for each in requirements if not each.marker or each.marker.evaluate({"extra": ""})
        ]
    return found


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_packages(script: Path, *arguments: object) -> set[str]:
    """Run a script and return the normalized names of the packages of which it imports a module."""
    command = [sys.executable, "-X", "importtime", str(script), *map(str, arguments)]
    result = subprocess.run(
        command, cwd=script.parent.parent, capture_output=True, text=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr
    modules = set(LISTED_IMPORT.findall(result.stderr)) - {
        "pipeline",
        "_distutils_hack",
    }  # .pth files import both
    distributions = packages_distributions()
    packages = {normalize(name) for module in modules for name in distributions.get(module, ())}
    return packages - {"pillow-heif"}  # of the extra "heic", used where it is installed


@pytest.mark.parametrize(
    "arguments",
    [
        ("Classification.py", "--images", "me.png", "me.mp4"),
        ("Webcam.py", "--source", "me.mp4", "--headless"),
        ("Webcam_page.py", "--help"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_each_imported_package_is_a_dependency_without_an_extra(untrained, arguments):
    script, *flags = arguments
    of_the_page = {"jinja2", "markupsafe", "starlette", "anyio"} if script == "Webcam_page.py" else set()
    imported = imported_packages(untrained.root / script, *flags)
    assert {"numpy", "tyro"} <= imported and imported <= required_packages() | of_the_page


def test_the_dependencies_without_an_extra_lack_what_training_needs():
    assert not required_packages() & {"tensorflow", "keras", "pandas", "matplotlib", "scikit-learn", "scipy"}
