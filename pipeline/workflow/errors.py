"""How a step is started: its flags, its lock, its account of what it did, and its errors in one sentence."""

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from pipeline.workflow.steps import ROOT


@contextmanager
def exit_on_error(script: str) -> Iterator[None]:
    """End the process with status 1 and a sentence where the user, the disk or the memory is at fault."""
    try:
        yield
    except ModuleNotFoundError:  # pipeline.last_words tells how to install it
        raise
    except (ValueError, OSError, MemoryError, ImportError) as error:
        if os.environ.get("PIPELINE_TRACEBACK") or not _is_own_error(error):
            traceback.print_exc()
        sys.exit(f"{script}: {format_error(error)}")


def format_error(error: BaseException) -> str:
    """An error as a sentence; the system's own are short on what to do."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({error}). Close other programs, or ask for less."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full. Nothing that was there before is lost; make room and run it again."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return (
            f"{error.filename}: {error.strerror}. Is it the right file, and may this user read and write it?"
        )
    return str(error)


def _is_own_error(error: BaseException) -> bool:
    """Whether an error was raised by this project's own code, which words it for people; a library's is not."""
    if isinstance(error, OSError | MemoryError):
        return True
    frame = error.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    origin = Path(frame.tb_frame.f_code.co_filename).resolve()
    return origin.is_relative_to(ROOT) and ".venv" not in origin.relative_to(ROOT).parts


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    script = Path(sys.argv[0]).name
    if issubclass(kind, KeyboardInterrupt):
        _print_error(
            f"\n{script} was stopped by the keyboard. Nothing is half written; run it again to go on."
        )
    elif issubclass(kind, ModuleNotFoundError) and error.name and not error.name.startswith("pipeline"):
        _print_error(
            f"{script}: this Python ({sys.executable}) has no {error.name}. {_installation_hint(error.name, script)}"
        )
    else:
        sys.__excepthook__(kind, error, trace)


def _installation_hint(module: str, script: str) -> str:
    backend = os.environ.get("KERAS_BACKEND", "")
    if module in ("jax", "jaxlib", "torch") and backend:
        return (
            f"KERAS_BACKEND is {backend!r}: install that, or unset KERAS_BACKEND to compute with TensorFlow."
        )
    if module == "gradio":
        return f"Run: {sys.executable} -m pip install -r requirements-page.txt"
    python = Path(".venv") / ("Scripts" if os.name == "nt" else "bin") / "python"
    return f"Run: python3 run.py   which installs everything, and then: {python} {script}"


def _print_error(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


sys.excepthook = _excepthook
