"""Tell on which processor and from which commit the project runs."""

import platform
import subprocess
from pathlib import Path

from pipeline.workflow.steps import ROOT

CPU_INFO = Path("/proc/cpuinfo")
TIMEOUT_S = 10


def describe_processor() -> str:
    """Return the name of the processor, or its architecture where the system does not tell."""
    try:  # Linux, where `platform` knows the architecture only
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    if platform.system() == "Darwin" and (name := _run("sysctl", "-n", "machdep.cpu.brand_string")):
        return name
    return platform.processor() or platform.machine()


def find_commit(root: Path = ROOT) -> str:
    """Return the commit that is checked out, with "(modified)" if files differ from it; "" without a repository."""
    if not (root / ".git").exists() or not (
        commit := _run("git", "-C", str(root), "rev-parse", "--short=12", "HEAD")
    ):
        return ""
    is_modified = _run("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no")
    return f"{commit} (modified)" if is_modified else commit


def _run(*command: str) -> str:
    """Return the output of a command; "" if it fails or does not exist."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()
