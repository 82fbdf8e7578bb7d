"""Format file names, paths and counts for messages and commands."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.workflow.steps import ROOT

SCREEN_WIDTH = 100  # characters


def printable(text: Path | str) -> str:
    """Escape what a terminal cannot print in a path or a message: bytes that are not UTF-8, and line breaks."""
    decoded = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in decoded
    )


def shell_quote(name: str) -> str:
    """Quote a word for a shell, if it needs that: step 10's script has an ampersand."""
    if re.fullmatch(r"[\w./\\:=-]+", name) and (os.name == "nt" or "\\" not in name):
        return name
    if os.name == "nt" or not (name == "" or re.search(r'["$`\\!\n]', name)):
        return f'"{name}"'  # which the shells of all systems accept
    return shlex.quote(name)


def format_command(script: str, arguments: Iterable[str] = ()) -> str:
    """Return the command that runs a script of the project with these flags, as one enters it in a shell."""
    return " ".join(["python3", *(shell_quote(word) for word in (script, *arguments))])


def relative_to_root(path: Path) -> str:
    """Return a path relative to the project's root, with forward slashes; unchanged if it is not below the root."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def format_count(n: int, noun: str) -> str:
    """Return a number with its noun: "1 face", "1,024 faces"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def format_setting(value: Any) -> str:
    """Return a setting's value as its flag has it, strings in quotes; of many, the first and their number."""
    if not isinstance(value, tuple):
        return repr(value)
    words = " ".join(map(str, value)) or "none"
    return words if len(value) < 2 or len(words) < SCREEN_WIDTH else f"{value[0]} ... ({len(value):,} values)"
