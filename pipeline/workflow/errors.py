"""Explain errors that a user can cause: subject, problem and remedy instead of a traceback.

Importing this module installs the handler of uncaught exceptions, which explains a missing library. It needs the
standard library only, so that it can be imported before any other library.
Set PIPELINE_TRACEBACK=1 to see where an error was raised.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from pipeline.workflow.formatting import shell_quote
from pipeline.workflow.steps import ROOT

# Errors of the machine rather than of a file: no space, memory or file handles left, or a disk that is read-only.
DISK_FULL_ERRORS = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
MACHINE_ERRORS = DISK_FULL_ERRORS | {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EROFS}
# Library -> the extra in pyproject.toml that installs it.
EXTRAS = {"gradio": "page", "segno": "page", "optuna": "search"}


def open_closed_streams() -> None:
    """Open the standard streams that the process was started without, as by `>&-`; what is written there is lost."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(
                os.devnull, os.O_RDWR
            )  # often the closed descriptor itself, the lowest that is free
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


@contextmanager
def exit_on_error(script: str) -> Iterator[None]:
    """Turn an error of input, disk, memory or a package into a message and exit status 1.

    An error raised by another library's code is printed with its traceback.
    """
    try:
        yield
    except ModuleNotFoundError:  # explained by the handler of uncaught exceptions
        raise
    except (ValueError, OSError, MemoryError, ImportError) as error:
        if os.environ.get("PIPELINE_TRACEBACK") or not _is_raised_here(error):
            traceback.print_exc()
        sys.exit(f"{script}: {format_error(error)}")


def format_error(error: BaseException) -> str:
    """Return an error's message, with a remedy where the operating system's message has none."""
    if isinstance(error, MemoryError):
        return f"Not enough memory ({error}). Close other programs or process less data at once."
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRORS:
        return "The disk is full. Existing results are intact; free some space and run it again."
    if isinstance(error, BrokenPipeError):
        return "The program that reads the output has ended. Existing results are intact."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}. Check the path and its permissions."
    return str(error)


def find_machine_error(error: BaseException) -> BaseException | None:
    """Return the error of disk, memory or file handles that an error is or was caused by; None if there is none.

    The input that was read in that moment is not at fault, and can be read later.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in MACHINE_ERRORS):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _is_raised_here(error: BaseException) -> bool:
    """Return whether the error's message was written for users: raised by this project, the disk or the memory."""
    if isinstance(error, OSError | MemoryError):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next:
        trace = trace.tb_next
    if trace is None:
        return False
    origin = Path(trace.tb_frame.f_code.co_filename).resolve()
    return origin.is_relative_to(ROOT) and ".venv" not in origin.relative_to(ROOT).parts


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    script = Path(sys.argv[0]).name
    if issubclass(kind, KeyboardInterrupt):
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # while Python shuts down, which run.py does not wait for
        message = "Interrupted. No file is incomplete; run it again to continue."
        print(f"\n{script}: {message}", file=sys.stderr, flush=True)
    elif isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("pipeline"):
        message = (
            f"{error.name} is not installed in {sys.executable}. {_installation_hint(error.name, script)}"
        )
        print(f"{script}: {message}", file=sys.stderr, flush=True)
    elif message := _explain_settings(error, trace):
        print(f"{script}: {message}", file=sys.stderr, flush=True)
    else:
        sys.__excepthook__(kind, error, trace)


def _explain_settings(error: BaseException, trace: TracebackType | None) -> str:
    """Return an explanation if the error is in a value of the script's class `Settings`, otherwise ""."""
    try:
        from pipeline.workflow.settings_errors import explain_settings_error  # imports other libraries

        return explain_settings_error(Path(sys.argv[0]), error, trace)
    except Exception:  # the error that was to be explained is shown instead
        return ""


def _installation_hint(module: str, script: str) -> str:
    backend = os.environ.get("KERAS_BACKEND", "")
    if module in ("jax", "jaxlib", "torch") and backend:
        return (
            f"KERAS_BACKEND is {backend!r}: install that backend, or unset KERAS_BACKEND to use TensorFlow."
        )
    if module in EXTRAS:
        return f'Run: {shell_quote(sys.executable)} -m pip install -e ".[{EXTRAS[module]}]"'
    if (
        Path(sys.prefix).resolve() == (ROOT / ".venv").resolve()
    ):  # with what recognizing faces needs, and no more
        return f'Run: {shell_quote(sys.executable)} -m pip install -e ".[train]" -c requirements/lock.txt'
    python = Path(".venv") / ("Scripts" if os.name == "nt" else "bin") / "python"
    return f"Install everything with: python3 run.py   and then run: {python} {shell_quote(script)}"


sys.excepthook = _excepthook
open_closed_streams()
