"""Create .venv and install the packages that pyproject.toml declares. Needs the standard library only."""

import hashlib
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

from pipeline.workflow.processes import run_and_wait
from pipeline.workflow.steps import ROOT

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.json"  # which declarations the installed packages come from
LOCK = ROOT / "requirements" / "lock.txt"  # the tested versions, as pip constraints
NO_DEPENDENCIES = ROOT / "requirements" / "transfer.txt"  # packages to install without their dependencies


def is_in_venv() -> bool:
    """Return whether this Python is the one in .venv."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def install(extras: tuple[str, ...] = (), use_lock: bool = True) -> None:
    """Install the project, with extras, into .venv, unless that has been done. Exits with a message on failure.

    Args:
        extras: Optional dependencies in pyproject.toml. "test" also installs the weights for transfer learning.
        use_lock: Install the tested versions instead of the newest ones that pyproject.toml allows.
    """
    declarations = [ROOT / "pyproject.toml", NO_DEPENDENCIES, *([LOCK] if use_lock else [])]
    content = b"".join(path.read_bytes() for path in declarations)
    digest = hashlib.sha256(content).hexdigest()
    stamp = _read_stamp()
    installed = set(stamp["extras"]) if stamp.get("digest") == digest else set()
    if VENV_PYTHON.exists() and stamp.get("digest") == digest and installed.issuperset(extras):
        return
    if not VENV_PYTHON.exists():
        _create_venv()
    print("Installing the packages into .venv (some 2.7 GB the first time; takes minutes) ...", flush=True)
    for arguments in _pip_arguments(sorted(installed | set(extras)), use_lock):
        command = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
        if run_and_wait(command):
            sys.exit(
                "run.py: the packages could not be installed; see pip's message above. Check the connection to the "
                "package index and the free disk space. If .venv itself is broken, delete it and run this again."
            )
    stamp = {"digest": digest, "extras": sorted(installed | set(extras))}
    STAMP.write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def _pip_arguments(extras: list[str], use_lock: bool) -> list[list[str]]:
    """Return the arguments of each call of `pip install`."""
    project = f".[{','.join(extras)}]" if extras else "."
    calls = [
        [
            "--editable",
            project,
            *(["--constraint", str(LOCK)] if use_lock else ["--upgrade", "--upgrade-strategy", "eager"]),
        ]
    ]
    if "test" in extras:
        calls.append(["--no-deps", "--requirement", str(NO_DEPENDENCIES)])
    return calls


def _create_venv() -> None:
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        sys.exit(
            "run.py: this Python lacks the module venv, which creates virtual environments. On Debian and Ubuntu, "
            f"run: sudo apt install {package}"
        )
    print("Creating .venv ...", flush=True)
    if run_and_wait([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(f"run.py: .venv could not be created. On Debian and Ubuntu, try: sudo apt install {package}")


def _read_stamp() -> dict:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return stamp if {"digest", "extras"} <= stamp.keys() else {}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
