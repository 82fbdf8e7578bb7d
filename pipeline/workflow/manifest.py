"""Read data/manifest.json: what it lists is checked once, so that no later code meets a value it does not expect.

The file may have been altered. A manifest that passes names only artifacts in data/, has all keys of each entry, and
has no artifact that is computed from itself.
"""

import copy
import glob
import json
import os
import re
import stat
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import AfterValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from pipeline.workflow.atomic_io import write_json

MANIFEST_VERSION = 5
MAX_MANIFEST_BYTES = 16 << 20
MAX_PATH_LENGTH = 4096
PROJECT_MARKER = "{project}"  # stands for the project's folder in the file, so that the folder can be moved


def _check_path(path: Any) -> str:
    if not path or len(_check_text(path)) > MAX_PATH_LENGTH:
        raise ValueError("not a path")
    return path


def _check_text(text: Any) -> str:
    if not isinstance(text, str) or "\0" in text:
        raise ValueError("not a text")
    return text


# Of an artifact: a bare name, because its file is named after it.
Name = Annotated[str, StringConstraints(pattern=r"^\w{1,64}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Script = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f]{0,255}$")]
AnyPath = Annotated[Any, AfterValidator(_check_path)]  # not str, which pydantic requires to be valid Unicode
Arguments = list[Annotated[Any, AfterValidator(_check_text)]]  # of a command line, which may name any path
STRICT = ConfigDict(strict=True, extra="forbid")


class Fingerprint(TypedDict):
    """State of a file or folder outside data/, from `compute_fingerprint`."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
    stat: str
    suffixes: list[str]


class Entry(TypedDict):
    """An artifact, and what it was computed from."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    file: str
    sha256: Sha256
    bytes: int
    shape: list[int] | None
    script: Script
    arguments: Arguments
    settings: dict[str, Any]
    created: str
    inputs: dict[Name, Sha256]
    external_files: dict[AnyPath, Fingerprint]


class StepRecord(TypedDict):
    """A step that has finished; the keys beyond these are for the report."""

    __pydantic_config__ = ConfigDict(strict=True, extra="allow")  # type: ignore[misc]

    inputs: dict[Name, Sha256]
    outputs: dict[Name, Sha256]
    external_files: dict[AnyPath, Fingerprint]
    code: str
    arguments: Arguments
    finished: str


class Start(TypedDict):
    """A step that has started and has not finished: `run.py --resume` runs it again with the same flags."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    arguments: Arguments
    started: str


class Manifest(TypedDict):
    """The content of manifest.json."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    version: int
    artifacts: dict[Name, Entry]
    steps: dict[Script, StepRecord]
    started: dict[Script, Start]


SCHEMA = TypeAdapter(Manifest)


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a manifest that has passed all checks; an empty one if there is no file.

    Raises:
        ValueError: If the file is damaged, was altered or is of another version.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_MANIFEST_BYTES + 1)
        if len(content) > MAX_MANIFEST_BYTES:
            raise ValueError(f"it has more than {MAX_MANIFEST_BYTES >> 20} MB")
        manifest = json.loads(content)
        SCHEMA.validate_python(manifest)
        _check_consistency(manifest)
        root = str(path.absolute().parent.parent)
        _map_arguments(manifest, lambda word: _expand_path(word, root))
        return manifest
    except FileNotFoundError:
        return {"version": MANIFEST_VERSION, "artifacts": {}, "steps": {}, "started": {}}
    except (ValueError, RecursionError) as error:  # json raises RecursionError for deep nesting
        raise ValueError(
            f"{path} is not a valid manifest ({_format_reason(error)}). Delete the folder {path.parent} and run: "
            "python3 run.py"
        ) from error


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Replace manifest.json by one rename."""
    stored = copy.deepcopy(manifest)
    root = str(path.absolute().parent.parent)
    _map_arguments(stored, lambda word: _abbreviate_path(word, root))
    write_json(path, stored)


def open_regular(path: Path, remedy: str = "") -> BinaryIO:
    """Open a file for reading; raise ValueError for a folder, device, FIFO or link, which could block or never end."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise ValueError(f"{path} is not a regular file. {remedy}".rstrip(" ."))
    return open(path, "rb")


def last_arguments(manifest: dict[str, Any], script: str) -> list[str]:
    """Return the flags of a script's last run, finished or not; none if it has not run."""
    record = manifest["started"].get(script) or manifest["steps"].get(script) or {"arguments": []}
    return list(record["arguments"])


def list_ancestors(name: str, inputs: dict[str, set[str]]) -> list[str]:
    """Return an artifact and all that it was computed from, each once and after its own inputs."""
    ancestors = {name}
    pending = [name]
    while pending:
        new = inputs[pending.pop()] - ancestors
        ancestors |= new
        pending += new
    return [key for key in TopologicalSorter(inputs).static_order() if key in ancestors]


def _map_arguments(manifest: dict[str, Any], convert: Callable[[str], str]) -> None:
    for records in (manifest["artifacts"], manifest["steps"], manifest["started"]):
        for record in records.values():
            record["arguments"] = [convert(word) for word in record["arguments"]]


def _abbreviate_path(word: str, root: str) -> str:
    """Replace the project's folder at the start of a path, which may be the value in --flag=value."""
    flag, value = _split_flag(word)
    for folder in (root, glob.escape(root)):  # the latter is the start of a pattern
        if value == folder or value.startswith(folder + os.sep):
            return f"{flag}{PROJECT_MARKER}{value[len(folder) :]}"
    return word


def _expand_path(word: str, root: str) -> str:
    """Undo `_abbreviate_path` for the folder where the project is now."""
    flag, value = _split_flag(word)
    if not value.startswith(PROJECT_MARKER):
        return word
    inner = value[len(PROJECT_MARKER) :]
    is_pattern = glob.has_magic(inner) and not os.path.lexists(root + inner)
    return f"{flag}{glob.escape(root) if is_pattern else root}{inner}"


def _split_flag(word: str) -> tuple[str, str]:
    """Split --flag=value into "--flag=" and the value; another word has no flag."""
    if word.startswith("--") and "=" in word:
        name, _, value = word.partition("=")
        return f"{name}=", value
    return "", word


def _check_consistency(manifest: dict[str, Any]) -> None:
    """Raise ValueError for another version, the name of another file, or artifacts computed from each other."""
    if manifest["version"] != MANIFEST_VERSION:
        raise ValueError(f"version {manifest['version']} instead of {MANIFEST_VERSION}")
    for name, entry in manifest["artifacts"].items():
        if not re.fullmatch(rf"{name}-[0-9a-f]{{8}}\.pkl", entry["file"]):
            raise ValueError(f"artifacts.{name}.file is {entry['file']!r:.80}")
    try:
        TopologicalSorter({name: entry["inputs"] for name, entry in manifest["artifacts"].items()}).prepare()
    except CycleError as error:
        raise ValueError(f"artifacts are computed from each other: {', '.join(error.args[1])}") from error


def _format_reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:80] for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
