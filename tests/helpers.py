"""Run the project's scripts in a copy of it, as a user does: as processes, started from another folder."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import ROOT

ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "PYTHONUTF8": "1"}
TIMEOUT_S = 300


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

    def run(self, script: str, *arguments: object, status: int = 0) -> str:
        """Run a script, check its exit status, and return its output."""
        process = self.start(script, *arguments)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == status, output
        return output

    def copy(self, to: Path) -> "Project":
        shutil.copytree(self.root, to)
        return Project(to)


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
