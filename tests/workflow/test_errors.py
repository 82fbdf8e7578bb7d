"""Errors of the output, the disk and the memory, and processes without standard streams."""

import errno
import os
import shutil
import subprocess
import sys

from pipeline.workflow.errors import find_machine_error

import pytest
from helpers import ROOT

is_posix = pytest.mark.skipif(sys.platform == "win32", reason="no such shell")
# Uses each stream as the steps and their libraries do.
USE_STREAMS = """
import sys
from pipeline.workflow import errors
from pipeline.workflow.logging import suppress_output
with suppress_output(), suppress_output(1):
    print("text", sys.stdout.isatty(), sys.stderr.isatty(), sys.stdin.read(1))
sys.exit(3)
"""


@is_posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_process_runs_without_standard_streams(closed):
    command = f'exec "$0" -c "$1" {closed}'
    arguments = ["sh", "-c", command, sys.executable, USE_STREAMS]
    result = subprocess.run(arguments, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (3, "")


@is_posix
@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "2>&-", "| head -c 1"])
@pytest.mark.parametrize("arguments", ["--list", "--help", "--only 99"])
def test_run_py_prints_no_traceback_without_an_output(redirection, arguments):
    if "full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    command = f'"$0" run.py {arguments} {redirection}'
    result = subprocess.run(["sh", "-c", command, sys.executable], cwd=ROOT, capture_output=True, text=True)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [["-P"], ["-I"], ["-E", "-S"]], ids=str)
def test_run_py_finds_the_project_in_safe_modes(options, tmp_path):
    if "-P" in options and sys.version_info < (3, 11):
        pytest.skip("-P is new in Python 3.11")
    for name in ("run.py", "pipeline"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    command = [sys.executable, *options, str(tmp_path / "run.py"), "--list"]
    result = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True)
    assert result.returncode == 0 and "Load_dataSets.py" in result.stdout, result.stderr


@pytest.mark.parametrize(
    ("error", "is_machine_error"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (MemoryError(), True),
        (PermissionError(errno.EACCES, "Permission denied", "a.jpg"), False),
        (ValueError("a.jpg is damaged"), False),
    ],
    ids=repr,
)
def test_errors_of_the_machine_are_told_from_those_of_a_file(error, is_machine_error):
    wrapped, raised_while_handling = ValueError("a.jpg"), ValueError("a.jpg")
    wrapped.__cause__, raised_while_handling.__context__ = error, error
    for outer in (error, wrapped, raised_while_handling):
        assert find_machine_error(outer) is (error if is_machine_error else None)
