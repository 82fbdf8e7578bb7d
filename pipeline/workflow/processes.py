"""Run commands as child processes. Needs the standard library only."""

import os
import signal
import subprocess

from pipeline.workflow.steps import ROOT

INTERRUPTED = 130  # conventional exit status after Ctrl-C


def run_and_wait(command: list[str]) -> int:
    """Run a command in the project's folder and return its exit status; the command itself handles Ctrl-C."""
    environment = os.environ | {"PYTHONUTF8": "1"}  # some terminals cannot show a progress bar otherwise
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue  # the terminal has sent it to the command as well
            return INTERRUPTED if status == -signal.SIGINT else status
