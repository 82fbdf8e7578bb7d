"""Run scripts in forks of a process that has imported the large libraries already, which saves seconds per script.

Nothing of the project is imported here, so that a script imports its own copy of it.
"""

import linecache
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

LIBRARIES = [
    "cv2",
    "keras",
    "matplotlib.pyplot",
    "pandas",
    "pydantic",
    "seaborn",
    "sklearn.metrics",
    "tensorflow",
    "tyro",
]
KILL_BEFORE = "KILL_BEFORE"  # variable of the environment: file:beginning of a line, see kill_before
TESTS = Path(__file__).resolve().parent


class ForkedScript:
    """A running `python script arguments`, the leader of a session, with the methods of subprocess.Popen."""

    def __init__(self, script: Path, arguments: Sequence[str], environment: Mapping[str, str]):
        """Start it in the folder above the script's; stdout and stderr are captured together."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LIBRARIES)
        self.output = tempfile.NamedTemporaryFile(mode="r", encoding="utf-8", suffix=".txt")  # noqa: SIM115
        self.process = context.Process(
            target=_run, args=(script, arguments, dict(environment), self.output.name)
        )
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int | None:
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout)
        return self.process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        self.wait(timeout)
        self.output.seek(0)
        return self.output.read(), None


def _run(script: Path, arguments: Sequence[str], environment: Mapping[str, str], output: str) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(output, "wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(script.parent.parent)
    sys.argv = [str(script), *arguments]
    sys.orig_argv = [
        sys.executable,
        *sys.argv,
    ]  # with which the launcher of distributed training starts a worker
    others = [folder for folder in sys.path if Path(folder).resolve() not in (TESTS, TESTS.parent)]
    sys.path[:] = [str(script.parent), *others]
    if KILL_BEFORE in environment:
        kill_before(*environment[KILL_BEFORE].split(":"))
    runpy.run_path(str(script), run_name="__main__")


def kill_before(file: str, code: str) -> None:
    """Kill this process, as kill -9 does, before it executes the line of a file that begins with `code`."""

    def trace(frame: FrameType, event: str, argument: object) -> Callable | None:
        path = frame.f_code.co_filename
        if not path.endswith(file):
            return None
        if event == "line" and linecache.getline(path, frame.f_lineno).strip().startswith(code):
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
