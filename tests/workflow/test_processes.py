"""A signal to run.py alone ends the command that it runs too, in the orderly way."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from helpers import ROOT, TIMEOUT_S

from pipeline.workflow.processes import is_interruption, run_and_wait

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")

# A process that runs a command, or a fork; these clean up when they are interrupted or terminated.
PARENTS = {
    "command": """
        import sys
        from pipeline.workflow.processes import run_and_wait
        sys.exit(run_and_wait([sys.executable, "-c", sys.argv[1]]))
    """,
    "fork": """
        import sys
        from pipeline.workflow.processes import fork_and_wait
        def run():
            exec(sys.argv[1], {"__name__": "__main__"})
            sys.exit(0)
        sys.exit(fork_and_wait(run))
    """,
}
CHILD = """
    import os, sys, time
    from pathlib import Path
    from pipeline.workflow.processes import exit_on_termination
    with exit_on_termination():
        try:
            print(os.getpid(), flush=True)
            time.sleep(60)
        finally:
            print("cleaned up", flush=True)
"""
SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT] if sys.platform != "win32" else []


def start(kind: str, ignored: signal.Signals | None = None) -> tuple[subprocess.Popen, int]:
    """Start the parent in a session of its own; return it and the id of its child."""
    arguments = [sys.executable, "-c", textwrap.dedent(PARENTS[kind]), textwrap.dedent(CHILD)]
    parent = subprocess.Popen(
        arguments,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: ignored and signal.signal(ignored, signal.SIG_IGN),
    )
    return parent, int(parent.stdout.readline())


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("kind", PARENTS)
def test_a_signal_to_the_parent_alone_is_passed_on(kind, number):
    parent, child_id = start(kind)
    parent.send_signal(number)
    printed, _ = parent.communicate(timeout=TIMEOUT_S)
    assert parent.returncode == 128 + number and is_interruption(parent.returncode)
    assert "cleaned up" in printed and not is_running(child_id)


@pytest.mark.parametrize("kind", PARENTS)
def test_ctrl_c_in_a_terminal_reaches_the_command_once(kind):
    parent, child_id = start(kind)
    os.killpg(parent.pid, signal.SIGINT)
    printed, _ = parent.communicate(timeout=TIMEOUT_S)
    assert parent.returncode == 128 + signal.SIGINT
    assert printed.count("KeyboardInterrupt") == 1 and not is_running(child_id)


@pytest.mark.parametrize("kind", PARENTS)
def test_two_signals_do_not_interrupt_the_cleaning_up(kind):
    parent, child_id = start(kind)
    for number in (signal.SIGHUP, signal.SIGTERM):
        parent.send_signal(number)
    printed, _ = parent.communicate(timeout=TIMEOUT_S)
    assert "cleaned up" in printed and not is_running(child_id)


@pytest.mark.parametrize("kind", PARENTS)
def test_a_signal_that_is_ignored_stays_ignored(kind):
    parent, child_id = start(kind, ignored=signal.SIGHUP)
    parent.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert parent.poll() is None and is_running(child_id)
    parent.send_signal(signal.SIGTERM)
    parent.communicate(timeout=TIMEOUT_S)
    assert parent.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("status", [0, 1, 3])
def test_the_exit_status_of_the_command_is_returned(status):
    assert run_and_wait([sys.executable, "-c", f"import sys; sys.exit({status})"]) == status


def test_a_command_that_a_signal_killed_has_the_status_of_a_shell():
    command = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    status = run_and_wait(command)
    assert status == 128 + signal.SIGKILL and not is_interruption(status)
