"""Explain that a Python is not supported, and name one on the PATH that is.

Without the syntax and the modules that an older Python lacks.
"""

import os
import shutil
import subprocess

SUPPORTED_VERSIONS = ((3, 12), (3, 13), (3, 11), (3, 10))  # the preferred one first


def explain_unsupported_python(version):
    """Return a message that a version (major, minor) is not supported, with a remedy."""
    command = find_supported_python()
    remedy = f"Run: {command} run.py" if command else "Install one of those from https://www.python.org."
    return f"run.py needs Python 3.10 to 3.13, and this is {version[0]}.{version[1]}. {remedy}"


def find_supported_python():
    """Return a command on the PATH that starts a supported Python, "" if there is none."""
    for major, minor in SUPPORTED_VERSIONS:
        if _can_start([f"python{major}.{minor}"]):
            return f"python{major}.{minor}"
        if os.name == "nt" and _can_start(["py", f"-{major}.{minor}"]):
            return f"py -{major}.{minor}"
    if shutil.which("uv"):  # it downloads the Python
        return "uv run --no-project --python 3.12"
    return ""


def _can_start(command):
    """Return whether a command starts Python; a version manager has commands for versions that are not installed."""
    if not shutil.which(command[0]):
        return False
    status = subprocess.call([*command, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return status == 0
