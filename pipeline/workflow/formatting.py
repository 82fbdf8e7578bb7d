"""Files written whole or not at all, telling whether a file has changed, and names that can be printed."""

import os
from pathlib import Path


def printable(path: Path | str) -> str:
    """A path, or a sentence with one, that can be printed: its bytes need not be UTF-8, and it may hold line breaks."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name
    )


def shell_quote(script: str) -> str:
    """A script's name as one types it into a shell: step 10's has an ampersand."""
    return f'"{script}"' if "&" in script else script
