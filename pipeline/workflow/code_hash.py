"""Hash the code that a step runs: its script and the modules of pipeline/ that it imports."""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

from pipeline.workflow.steps import ROOT

PACKAGE = "pipeline"


def hash_step_code(script: str, root: Path = ROOT) -> str:
    """Return the SHA-256 of a step's code, by which `run.py --resume` detects an edit.

    It covers the script, the modules of pipeline/ that it imports, directly or through other modules, and the
    templates that these modules name.
    """
    sha256 = hashlib.sha256()
    for path in sorted(find_step_files(root / script, root)):
        sha256.update(path.relative_to(root).as_posix().encode() + b"\0")
        sha256.update(path.read_bytes() + b"\0")
    return sha256.hexdigest()


def find_step_files(script: Path, root: Path = ROOT) -> set[Path]:
    """Return the script, the modules that it imports, transitively, and the data files that they name."""
    found: set[Path] = set()
    pending = {script}
    while pending:
        path = pending.pop()
        found.add(path)
        imported_names, strings = _scan(path, path.stat().st_mtime_ns)
        pending |= {file for name in imported_names for file in _module_files(name, root)} - found
        if path != script:
            found |= _named_data_files(path.parent, strings)
    return found


@cache
def _scan(path: Path, modified_ns: int) -> tuple[set[str], set[str]]:
    """Return the dotted names under pipeline/ that a file imports, within functions too, and its string literals.

    `modified_ns` makes the cache miss once the file has changed.
    """
    names, strings = set(), set()
    for node in ast.walk(ast.parse(path.read_bytes(), path.name)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] == PACKAGE}, strings


def _module_files(name: str, root: Path) -> set[Path]:
    """Return the files that importing a module runs: the module and the __init__.py of each package above it."""
    parts = name.split(".")
    candidates = {root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)}
    candidates.add(root.joinpath(*parts).with_suffix(".py"))
    return {path for path in candidates if path.is_file()}


def _named_data_files(folder: Path, strings: set[str]) -> set[Path]:
    """Return the files below a module's folder, such as templates, that it names, or whose subfolder it names."""
    names = {part for string in strings for part in re.split(r"[/\\]", string)}
    files = (path for path in folder.rglob("*") if path.suffix not in (".py", ".pyc") and path.is_file())
    return {path for path in files if names & set(path.relative_to(folder).parts)}
