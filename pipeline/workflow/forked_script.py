"""Run scripts in forks of this process, which imports the large libraries once for all of them.

Importing TensorFlow takes five seconds of a processor. A fork shares what has been imported, and otherwise behaves as
`python script arguments` does: it imports its own copy of pipeline/, has its own `__main__`, and TensorFlow finds its
devices and starts its threads there. Only on Linux: frameworks of macOS do not survive a fork, and Windows has none.
"""

import gc
import importlib
import locale
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import NoReturn

from pipeline.workflow.logging import suppress_output
from pipeline.workflow.processes import SIGNALLED, fork_and_wait, run_and_wait

LIBRARIES = ("keras", "pandas", "seaborn", "sklearn.metrics", "cv2", "pydantic", "tyro")


def run_script(script: Path, arguments: Sequence[str]) -> int:
    """Run a script in its folder, in a fork if it uses Keras, and return its exit status as run_and_wait does."""
    if uses_keras(script) and can_fork():
        return fork_and_wait(partial(_run, script, arguments))
    return run_and_wait([sys.executable, str(script), *arguments], script.parent)


def uses_keras(script: Path) -> bool:
    """Return whether the script of a step imports Keras: its text names it then."""
    return "keras" in script.read_text(encoding="utf-8", errors="replace")


@cache
def can_fork() -> bool:
    """Import the libraries, and return whether forks of this process can run scripts.

    They cannot if a library is missing, which the script explains; on JAX and PyTorch, which do not support a fork; and
    where Python was not started for UTF-8, as run_and_wait starts it.
    """
    is_utf8 = sys.flags.utf8_mode or locale.getpreferredencoding(False).upper() == "UTF-8"
    if sys.platform != "linux" or not is_utf8:
        return False
    try:
        with suppress_output():
            for name in LIBRARIES:
                importlib.import_module(name)
    except Exception:  # a broken package raises anything
        return False
    gc.freeze()  # a garbage collection in a fork would copy the memory of all that was imported
    return sys.modules["keras"].backend.backend() == "tensorflow"


def _run(script: Path, arguments: Sequence[str]) -> NoReturn:
    """Run a script as `__main__` and exit with its status."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pipeline"]:
        del sys.modules[name]  # an edit since then counts
    os.environ["PYTHONUTF8"] = "1"
    os.environ.pop("PYTHONSAFEPATH", None)
    os.chdir(script.parent)
    sys.argv = [str(script), *arguments]
    sys.orig_argv[1:] = sys.argv  # which step 8 runs again to train on several devices
    try:
        runpy.run_path(str(script), run_name="__main__")
    except (KeyboardInterrupt, Exception) as error:
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename != str(script):
            trace = trace.tb_next
        error.__traceback__ = trace  # without the lines of this module
        sys.excepthook(type(error), error, trace)
        sys.exit(SIGNALLED + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1)
    sys.exit(0)
