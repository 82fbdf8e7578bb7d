"""Format file names for messages and commands."""

import os
import re
from pathlib import Path


def printable(text: Path | str) -> str:
    """Escape what a terminal cannot print in a path or a message: bytes that are not UTF-8, and line breaks."""
    decoded = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in decoded
    )


def shell_quote(name: str) -> str:
    """Quote a file's name for a shell, if it needs that: step 10's script has an ampersand."""
    return name if re.fullmatch(r"[\w./\\:-]+", name) else f'"{name}"'
