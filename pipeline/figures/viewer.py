"""Open a file in the program that the system has for it. Needs the standard library only."""

import os
import sys
import webbrowser
from pathlib import Path


def open_file(path: Path) -> None:
    """Open an image or a page if there is a display."""
    if has_display():
        webbrowser.open(path.as_uri())
    else:
        print(f"  no display found; {path.name} was not opened")


def has_display() -> bool:
    """Return whether a window can open."""
    is_linux = sys.platform.startswith("linux")
    return not is_linux or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def is_watched() -> bool:
    """Return whether somebody at this computer waits for the results: in a terminal, with a display.

    Over SSH, the display is that of another computer, where a browser would open slowly or not at all.
    """
    is_elsewhere = any(os.environ.get(name) for name in ("CI", "SSH_CONNECTION"))
    return has_display() and sys.stdout.isatty() and not is_elsewhere
