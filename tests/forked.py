"""Run scripts in forks of a process that has imported the large libraries already, which saves seconds per script.

Nothing of the project is imported here, so that a script imports its own copy of it.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

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
TESTS = Path(__file__).resolve().parent


def start(
    script: Path, arguments: Sequence[str], environment: Mapping[str, str], output: Path
) -> multiprocessing.Process:
    """Start `python script arguments` in the folder above the script's, as the leader of a session.

    What it prints to stdout and stderr is written to the file `output`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    process = context.Process(target=_run, args=(script, arguments, dict(environment), output))
    process.start()
    return process


def _run(script: Path, arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(output, "wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(script.parent.parent)
    sys.argv = [str(script), *arguments]
    others = [folder for folder in sys.path if Path(folder).resolve() not in (TESTS, TESTS.parent)]
    sys.path[:] = [str(script.parent), *others]
    runpy.run_path(str(script), run_name="__main__")
