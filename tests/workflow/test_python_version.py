"""A Python that is not supported gets a message with a command that starts one that is."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workflow import python_version

ROOT = Path(python_version.__file__).parents[2]


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """The only folder on the PATH; empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add_command(folder: Path, name: str, status: int = 0) -> None:
    (folder / name).write_text(f"#!/bin/sh\nexit {status}\n")
    (folder / name).chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are shell scripts")
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_a_supported_python_on_the_path_is_named(path, version):
    add_command(path, "python3.14")
    add_command(path, f"python{version}")
    message = python_version.explain_unsupported_python((3, 14, 0))
    assert "3.14" in message and f"python{version} run.py" in message


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are shell scripts")
def test_a_command_that_does_not_start_is_not_named(path):
    """pyenv puts a command on the PATH for each version that any of its environments has."""
    add_command(path, "python3.12", status=127)
    assert python_version.find_supported_python() == ""
    add_command(path, "python3.10")
    assert python_version.find_supported_python() == "python3.10"


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are shell scripts")
def test_uv_is_named_where_there_is_no_supported_python(path):
    add_command(path, "uv")
    assert "uv run" in python_version.explain_unsupported_python((3, 9, 2))


def test_without_any_the_message_says_where_to_get_one(path):
    assert "python.org" in python_version.explain_unsupported_python((3, 9, 2))


@pytest.mark.parametrize("version", ["(3, 8, 0)", "(3, 9, 18)", "(3, 14, 1)", "(4, 0, 0)"])
def test_run_refuses_a_python_that_is_not_supported(version):
    program = (
        f"import runpy, sys; sys.version_info = {version}; runpy.run_path('run.py', run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1 and "3.10 to 3.13" in result.stderr and "Traceback" not in result.stderr
