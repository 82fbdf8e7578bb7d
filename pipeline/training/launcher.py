"""Relaunch step 8 on JAX for distributed training, and explain why a worker process failed."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from pipeline.workflow.formatting import shell_quote

WORKER_VARIABLE = "PIPELINE_DISTRIBUTED_WORKER"  # environment variable that marks the worker process
CONNECT_ERROR = re.compile("RegisterTask|GetTopology|TopologyExchange")
CONNECTION_LOST_ERROR = re.compile("gloo|nccl|distributed service|coordination", re.IGNORECASE)
RESTART = "Run the same command in every process again; training resumes after the last completed epoch."


def relaunch_on_jax(settings: Any) -> bool:
    """Return whether this process records the step; for a distributed training, run it in a worker process first.

    A trial of a hyperparameter search does not.
    With `distribute`, this command runs again as a worker with the JAX backend, and this process exits with the
    worker's status. A separate process is needed because Keras selects its backend on import, and because JAX aborts
    a process that loses the connection from compiled code, where Python cannot report the reason.
    """
    if settings.distribute:
        if WORKER_VARIABLE not in os.environ:
            _run_worker(settings)
        threading.Thread(target=_exit_with_parent, daemon=True).start()
    return settings.process_id == 0 and not settings.trial


def _run_worker(settings: Any) -> None:
    """Run this command in a worker process with the JAX backend, and exit with its status."""
    script = Path(sys.argv[0]).name
    if importlib.util.find_spec("jax") is None:
        sys.exit(
            f"{script}: distribute requires JAX, which is not installed in {sys.executable}. "
            f'Run: {shell_quote(sys.executable)} -m pip install -e ".[distributed]"'
        )
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = os.environ | {"KERAS_BACKEND": "jax", WORKER_VARIABLE: "1"}
    with tempfile.TemporaryFile() as stderr_file:
        worker = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=stderr_file)
        try:
            status = worker.wait()
        except (KeyboardInterrupt, SystemExit):
            worker.kill()  # compiled code may not respond to a signal; writes are atomic, so killing is safe
            worker.wait()
            raise
        stderr_file.seek(0)
        stderr = stderr_file.read().decode(errors="backslashreplace")
    if status == 0:
        sys.exit(0)
    reason = explain_failure(status, stderr, settings)
    if not reason or os.environ.get("PIPELINE_TRACEBACK"):
        sys.stderr.write(stderr)
    sys.exit(f"{script}: {reason}" if reason else 1)


def explain_failure(status: int, stderr: str, settings: Any) -> str:
    """Return why a worker failed and what to do; empty where its standard error already says so.

    Args:
        status: Exit status of the worker; negative for a signal.
        stderr: Standard error of the worker.
        settings: Settings of step 8; reads num_processes and coordinator.
    """
    if CONNECT_ERROR.search(stderr):
        return (
            f"not all {settings.num_processes} processes connected to {settings.coordinator}. Run this command in each "
            "process with its own --process-id and the same --num-processes and --coordinator, check the firewalls, "
            "or set PIPELINE_CONNECT_TIMEOUT_S to wait longer."
        )
    if CONNECTION_LOST_ERROR.search(stderr):
        return f"the connection to another process is lost; see the output of that process. {RESTART}"
    return f"training was killed by signal {-status}. {RESTART}" if status < 0 else ""


def _exit_with_parent() -> None:
    """Exit when the launching process ends: the standard input is a pipe from it."""
    os.read(0, 1)  # not sys.stdin, whose lock a thread must not hold when Python exits
    os._exit(1)
