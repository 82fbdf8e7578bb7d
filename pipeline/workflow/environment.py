"""Create .venv and install the packages that pyproject.toml declares. Needs the standard library only."""

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from pipeline.workflow.processes import is_interruption, run_and_wait
from pipeline.workflow.steps import ROOT

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.json"  # which declarations the installed packages come from
LOCK = ROOT / "requirements" / "lock.txt"  # the tested versions, as pip constraints
NO_DEPENDENCIES = ROOT / "requirements" / "transfer.txt"  # packages to install without their dependencies
EXTRAS = {  # purpose -> optional dependencies in pyproject.toml
    "recognize": (),
    "page": ("page",),
    "train": ("train",),
    "search": ("search", "train"),
    "test": ("page", "search", "test", "train"),
}
SIZES = {
    "recognize": "460 MB",
    "page": "640 MB",
    "train": "2.8 GB",
    "search": "2.8 GB",
    "test": "4.5 GB",
}  # on disk, on Linux


def is_in_venv() -> bool:
    """Return whether this Python is the one in .venv."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def install(purpose: str = "train", use_lock: bool = True) -> None:
    """Install what a purpose needs into .venv, unless that has been done. Exits with a message on failure.

    An environment that another tool has created as .venv and that is active is left as it is.

    Args:
        purpose: A key of EXTRAS. "test" also installs the weights for transfer learning.
        use_lock: Install the tested versions instead of the newest ones that pyproject.toml allows.
    """
    extras = set(EXTRAS[purpose])
    declarations = [ROOT / "pyproject.toml", NO_DEPENDENCIES, *([LOCK] if use_lock else [])]
    content = b"".join(path.read_bytes() for path in declarations)
    digest = hashlib.sha256(content).hexdigest()
    stamp = _read_stamp()
    installed = set(stamp["extras"]) if stamp.get("digest") == digest else set()
    if VENV_PYTHON.exists() and stamp.get("digest") == digest and extras <= installed:
        return
    if is_in_venv() and not STAMP.exists():
        return
    if not VENV_PYTHON.exists():
        _create_venv()
    started = time.perf_counter()
    print(f"Installing the packages into .venv ({SIZES[purpose]} on disk) ...", flush=True)
    extras |= installed
    _run_installers(sorted(extras), use_lock)
    STAMP.write_text(json.dumps({"digest": digest, "extras": sorted(extras)}, indent=1), encoding="utf-8")
    print(f"Installed in {time.perf_counter() - started:.0f} s.\n", flush=True)


def _run_installers(extras: list[str], use_lock: bool) -> None:
    """Install with uv where it is on the PATH, because it is several times faster; else, or if it fails, with pip."""
    lock = ["--constraint", str(LOCK)]
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", str(VENV_PYTHON)]
        if _install_project(command, extras, lock if use_lock else ["--upgrade"]):
            return
        print(
            "uv could not install the packages; trying pip ...", flush=True
        )  # it does not read pip's settings
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    if not _install_project(
        command, extras, lock if use_lock else ["--upgrade", "--upgrade-strategy", "eager"]
    ):
        sys.exit(
            "run.py: the packages could not be installed; see pip's message above. Check the connection to the "
            "package index and the free disk space. If .venv itself is broken, delete it and run this again."
        )


def _install_project(command: list[str], extras: list[str], version_flags: list[str]) -> bool:
    """Install the project with its extras by a command of uv or pip, and return whether it succeeded."""
    project = f".[{','.join(extras)}]" if extras else "."
    calls = [["--editable", project, *version_flags]]
    if "test" in extras:
        calls.append(["--no-deps", "--requirement", str(NO_DEPENDENCIES)])
    for arguments in calls:
        status = run_and_wait([*command, *arguments])
        if is_interruption(status):
            sys.exit(status)
        if status:
            return False
    return True


def _check_writable() -> None:
    """Exit with a message if nothing can be written to the project's folder."""
    try:
        with tempfile.TemporaryFile(dir=ROOT):
            pass
    except OSError as error:
        sys.exit(
            f"run.py: {ROOT} cannot be written ({error.strerror}). Copy the project to a folder of your own and run "
            "it there, or use an installed environment with --no-venv."
        )


def _create_venv() -> None:
    _check_writable()
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
