"""Run commands as child processes and pass signals on to them. Needs the standard library only."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, NoReturn

from pipeline.workflow.steps import ROOT

SIGNALLED = 128  # plus the number of a signal: conventional exit status of a process that the signal ended
INTERRUPT_DELAY_S = 1.0  # until Ctrl-C is passed on; a terminal sends it to the command as well
# Sent by systems that shut down, and by terminals that are closed; Windows has neither.
TERMINATION_SIGNALS: tuple[signal.Signals, ...] = (
    () if sys.platform == "win32" else (signal.SIGTERM, signal.SIGHUP)
)


def run_and_wait(command: list[str], folder: Path = ROOT, output: BinaryIO | None = None) -> int:
    """Run a command in a folder, by default the project's, and return its exit status.

    What it prints goes to `output`, errors included, or else to this process's own streams.

    A signal that would end this process is passed on to the command, and the command's end is awaited. Then the
    status is 128 plus the number of the signal.
    """
    environment = os.environ | {"PYTHONUTF8": "1"}  # some terminals cannot show a progress bar otherwise
    environment.pop("PYTHONSAFEPATH", None)  # the scripts import from their own folder
    streams: dict[str, Any] = {"stdout": output, "stderr": subprocess.STDOUT} if output else {}
    with (
        _passing_on_signals() as signals,
        subprocess.Popen(command, cwd=folder, env=environment, **streams) as process,
    ):
        status = signals.pass_on_to(process)
    return signals.to_exit_status(status)


def fork_and_wait(run: Callable[[], NoReturn]) -> int:
    """Run a function that does not return in a fork of this process, and return its status as run_and_wait does.

    The fork has the signal handlers that this process had before. Not on Windows.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the fork would write the buffered text too
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *TERMINATION_SIGNALS))
    with _passing_on_signals() as signals:
        process_id = os.fork()
        if process_id:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            status = signals.pass_on_to(_ForkedProcess(process_id))
    if process_id == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        run()
    return signals.to_exit_status(status)


def is_interruption(status: int) -> bool:
    """Return whether an exit status is that of a process which a signal ended."""
    return status in {SIGNALLED + number for number in (signal.SIGINT, *TERMINATION_SIGNALS)}


def ignore_signals() -> None:
    """Ignore the signals that end a process and its children alike, in a child that its parent ends."""
    for number in (signal.SIGINT, *TERMINATION_SIGNALS):
        signal.signal(number, signal.SIG_IGN)


def count_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def exit_on_termination() -> Iterator[None]:
    """Exit in the orderly way on SIGTERM and SIGHUP: `finally` clauses run, so that files are closed or deleted."""

    def exit_with_status(number: int, frame: FrameType | None) -> NoReturn:
        for other in handled:  # a second one must not interrupt the clauses that the first one runs
            signal.signal(other, signal.SIG_IGN)
        sys.exit(SIGNALLED + number)

    is_main_thread = threading.current_thread() is threading.main_thread()
    handled = _list_handled(TERMINATION_SIGNALS) if is_main_thread else []
    previous = {number: signal.signal(number, exit_with_status) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _ForkedProcess:
    """A fork of this process, with the methods of subprocess.Popen."""

    def __init__(self, process_id: int):
        self.process_id = process_id
        self.is_running = True

    def send_signal(self, number: int) -> None:
        if self.is_running:  # otherwise another process may have its id
            os.kill(self.process_id, number)

    def wait(self) -> int:
        os.waitid(os.P_PID, self.process_id, os.WEXITED | os.WNOWAIT)
        self.is_running = False
        return os.waitstatus_to_exitcode(os.waitpid(self.process_id, 0)[1])


class _Signals:
    """The signals that this process received while a command ran."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.process: subprocess.Popen | _ForkedProcess | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        self._pass_on(number)

    def pass_on_to(self, process: subprocess.Popen | _ForkedProcess) -> int:
        """Send the signals that have been and will be received to a process until it ends, and return its status."""
        self.process = process
        for number in list(self.received):
            self._pass_on(number)
        status = process.wait()
        self.process = None
        return status

    def to_exit_status(self, status: int) -> int:
        """Return 128 plus the number of the signal that was received, or that ended the process; else `status`."""
        number = self.received[0] if self.received else -status if status < 0 else 0
        return SIGNALLED + number if number else status

    def _pass_on(self, number: int) -> None:
        if self.process is None or sys.platform == "win32":  # there Ctrl-C reaches all processes of a console
            return
        if number != signal.SIGINT:
            self.process.send_signal(number)
            return
        timer = threading.Timer(INTERRUPT_DELAY_S, self.process.send_signal, [number])
        timer.daemon = True
        timer.start()


@contextmanager
def _passing_on_signals() -> Iterator[_Signals]:
    signals = _Signals()
    handled = _list_handled((signal.SIGINT, *TERMINATION_SIGNALS))
    previous = {number: signal.signal(number, signals.handle) for number in handled}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _list_handled(numbers: tuple[signal.Signals, ...]) -> list[signal.Signals]:
    """Return the signals that are not ignored, as nohup and a shell's background jobs make a process do."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
