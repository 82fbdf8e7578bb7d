"""Step 8 on several devices and machines at once, by Keras's data parallelism on JAX.

Each device computes the slopes of its share of each batch, and all take the same step by their mean: the result is
that of one device, but for the order in which numbers are added. So it is not the same bit for bit, and where a
training magnifies roundings, as at a high learning rate, the curves part after some epochs, as they do when its first
weights change by a ten-millionth. Each machine is a host, with the whole project and a data/ of its own; host 0 alone
writes, and tells the others where to go on.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

WORKER_VARIABLE = (
    "PIPELINE_DISTRIBUTED"  # environment variable by which the process that computes knows itself
)
CONNECT_ERROR = re.compile("RegisterTask|GetTopology|TopologyExchange")
CONNECTION_LOST_ERROR = re.compile("gloo|nccl|distributed service|coordination", re.IGNORECASE)


def relaunch_on_jax(settings: Any) -> None:
    """Where `settings` say distribute, run this command again in a process that computes with JAX, and end as it does.

    A process of its own, because Keras takes its backend when it is imported, and because JAX ends a process that has
    lost another host from within compiled code, where no Python can say why.
    """
    if not settings.distribute:
        return
    if WORKER_VARIABLE in os.environ:
        threading.Thread(target=_exit_with_parent, daemon=True).start()
        return
    script = Path(sys.argv[0]).name
    if importlib.util.find_spec("jax") is None:
        sys.exit(
            f"{script}: distribute computes with JAX, which this Python ({sys.executable}) lacks. "
            "Run: .venv/bin/python -m pip install -r requirements-distribute.txt"
        )
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = os.environ | {"KERAS_BACKEND": "jax", WORKER_VARIABLE: "1"}
    with tempfile.TemporaryFile() as kept_back:
        child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=kept_back)
        try:
            status = child.wait()
        except KeyboardInterrupt:
            child.kill()  # it may be waiting in compiled code, deaf to the keyboard; nothing is ever half written
            child.wait()
            raise
        kept_back.seek(0)
        said = kept_back.read().decode(errors="backslashreplace")
    if status == 0:
        sys.exit(0)
    ended = explain_failure(status, said, settings)
    if not ended or os.environ.get("PIPELINE_TRACEBACK"):
        sys.stderr.write(said)
    sys.exit(f"{script}: {ended}" if ended else 1)


def explain_failure(status: int, said: str, settings: Any) -> str:
    """A sentence on why the process that computes failed; empty where `said`, its standard error, is one already."""
    again = "Start the same command on every host again: training goes on after the last whole epoch."
    if CONNECT_ERROR.search(said):
        return (
            f"not all {settings.hosts} hosts came together at {settings.coordinator}. Does each run this command, with "
            "a --host of its own and the same --hosts and --coordinator, and does no firewall keep them apart?"
        )
    if CONNECTION_LOST_ERROR.search(said):
        return (
            "another host has ended or can no longer be reached, so the training ends here too. See what it says. "
            + again
        )
    return f"the training was killed by signal {-status}. {again}" if status < 0 else ""


def _exit_with_parent() -> None:
    """The standard input is a pipe from the watching process, which ends with it, however it dies."""
    os.read(0, 1)  # not sys.stdin, whose lock a thread must not hold when Python ends
    os._exit(1)
