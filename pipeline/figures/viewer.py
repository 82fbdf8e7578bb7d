"""Open an image in the program that the system has for it."""

import os
import sys
import webbrowser
from pathlib import Path


def open_file(path: Path) -> None:
    """Open an image if there is a display."""
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_display:
        print(f"  no display found; {path.name} was not opened")
    else:
        webbrowser.open(path.as_uri())
