"""Store the artifacts that steps pass to each other in data/, so that each is complete, unaltered and up to date.

    data/manifest.json           one entry per artifact and one record per step
    data/train_x-3f1c09ab.pkl    an artifact, named after its content
    data/.*.lock                 held by a running step

A step's artifacts are written under new names and become visible together, when manifest.json is replaced by one
rename: a step that is killed leaves either all of its new artifacts or all of the previous ones. An entry holds the
script, time and settings that an artifact was written with, and the SHA-256 of its content and of the artifacts and
files that it was computed from. Reading checks all of these.

To open an artifact in Python, from the project's folder:

    from pipeline.workflow.artifacts import ArtifactStore
    train_x = ArtifactStore().read("train_x")
"""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from pipeline.workflow import safe_pickle
from pipeline.workflow.atomic_io import temporary_path
from pipeline.workflow.fingerprint import HashingWriter, compute_fingerprint, compute_sha256, find_changed
from pipeline.workflow.formatting import format_command
from pipeline.workflow.manifest import (
    last_arguments,
    list_ancestors,
    open_regular,
    read_manifest,
    write_manifest,
)
from pipeline.workflow.steps import BUILD_STEP, DATA, STEPS, list_build_scripts


class ArtifactStore:
    """Read and write artifacts for one script, and record which inputs its outputs were computed from.

    Attributes:
        inputs: Artifact name -> SHA-256, of the artifacts that were read.
        outputs: Artifact name -> SHA-256, of the artifacts that were written.
        external_files: Path -> fingerprint, of files outside data/ that were read.
    """

    def __init__(
        self,
        folder: Path = DATA,
        script: str = "",
        settings: dict[str, Any] | None = None,
        arguments: Sequence[str] = (),
    ):
        """`script`, `settings` and `arguments`, its flags, are recorded with what is written; reading needs none."""
        self.folder = folder
        self.script = script
        self.settings = settings or {}
        self.arguments = list(arguments)
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.external_files: dict[str, dict[str, Any]] = {}
        self._obsolete: set[str] = set()  # artifacts that `record_step` deletes
        self._checked_files: dict[str, str] = {}  # the memory of `find_changed`

    # ----------------------------------------------------------------------------------------------
    # Reading
    # ----------------------------------------------------------------------------------------------
    def read(self, name: str, track: bool = True) -> Any:
        """Return an artifact's value after checking that it is complete, unaltered and up to date.

        Args:
            name: The artifact, such as "train_x".
            track: Record it as an input of what is written afterwards.

        Raises:
            FileNotFoundError: If it is missing. The message names the script to run, as below.
            ValueError: If it is damaged, holds more than plain data, or is stale.
        """
        entry = self.entry(name)
        path = self.folder / entry["file"]
        try:
            value = self._load(path, entry)
        except FileNotFoundError:
            if self.entry(name)["file"] != entry["file"]:  # another process has just replaced it
                return self.read(name, track)
            raise FileNotFoundError(f"{path} is missing. {_remedy(entry)}") from None
        if track:
            self.inputs[name] = entry["sha256"]
        return value

    def entry(self, name: str) -> dict[str, Any]:
        """Return the manifest's entry, such as its `shape` and `settings`, of an artifact that is up to date."""
        artifacts = self.manifest()["artifacts"]
        if name not in artifacts:
            writer = next((step.script for step in STEPS if name in step.writes), "run.py")
            raise FileNotFoundError(f"data/ has no {name} yet. Run: {self.format_last_command(writer)}")
        self._check_up_to_date(name, artifacts)
        return artifacts[name]

    def format_last_command(self, script: str) -> str:
        """Return the command that runs a script with the flags of its last run."""
        try:
            return format_command(script, last_arguments(self.manifest(), script))
        except ValueError:  # the manifest is damaged, which the message of another error says
            return format_command(script)

    def has(self, name: str) -> bool:
        """Return whether the manifest lists an artifact."""
        return name in self.manifest()["artifacts"]

    def manifest(self) -> dict[str, Any]:
        """Return the manifest's `version`, `artifacts` and `steps`, the last two empty where there is no manifest.

        Raises:
            ValueError: If manifest.json is damaged, was altered or is of another version.
        """
        return read_manifest(self.folder / "manifest.json")

    def _load(self, path: Path, entry: dict[str, Any]) -> Any:
        """Unpickle an artifact whose content has the hash in its entry."""
        try:
            with open_regular(path, _remedy(entry)) as file:
                if compute_sha256(file) != entry["sha256"]:
                    raise ValueError(
                        f"{path} is damaged or was altered: its SHA-256 does not match. {_remedy(entry)}"
                    )
                file.seek(0)
                return safe_pickle.load(file)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{path} holds more than plain data ({error}) and was not loaded. {_remedy(entry)}"
            ) from error

    def _check_up_to_date(self, name: str, artifacts: dict[str, dict[str, Any]]) -> None:
        """Raise ValueError if `name`, or an artifact it was computed from, has an input that has changed since.

        The message names the earliest such artifact, because its script has to run first.
        """
        inputs = {key: entry["inputs"].keys() & artifacts.keys() for key, entry in artifacts.items()}
        for current in list_ancestors(name, inputs):
            self._check_own_inputs(current, artifacts)

    def _check_own_inputs(self, name: str, artifacts: dict[str, dict[str, Any]]) -> None:
        """Raise ValueError if an artifact or an external file has changed since `name` was computed from it."""
        entry = artifacts[name]
        for source, sha256 in entry["inputs"].items():
            if source in artifacts and artifacts[source]["sha256"] != sha256:
                raise ValueError(
                    f"{name} in data/ is stale: its input {source} has changed. {_remedy(entry)}"
                )
        if path := find_changed(entry["external_files"], self.folder.parent, self._checked_files):
            raise ValueError(f"{name} in data/ is stale: {Path(path).name} has changed. {_remedy(entry)}")

    # ----------------------------------------------------------------------------------------------
    # Writing
    # ----------------------------------------------------------------------------------------------
    def add_dependency(self, path: Path, suffixes: Sequence[str] = ()) -> dict[str, Any]:
        """Record a file or folder outside data/, existing or not, as an input of what is written afterwards.

        Args:
            path: The file or folder.
            suffixes: Of the files that are read from a folder, in lower case; empty: all.

        Returns:
            Its fingerprint, with "sha256".
        """
        # A path within the project is stored relative to it, so that the project's folder can be moved.
        is_inside = path.is_relative_to(self.folder.parent)
        name = str(path.relative_to(self.folder.parent) if is_inside else path)
        self.external_files[name] = compute_fingerprint(path, suffixes)
        self._checked_files[name] = ""
        return self.external_files[name]

    def write(self, **artifacts: Any) -> None:
        """Store artifacts: all of them or, after an error, none.

        Raises:
            TypeError: If a value holds more than None, bool, int, float, str, bytes, list, tuple, dict and NumPy
                arrays of these.
        """
        entries: dict[str, dict[str, Any]] = {}
        with ExitStack() as stack:
            temporaries = {}
            for name, value in artifacts.items():
                temporaries[name] = stack.enter_context(temporary_path(self.folder / f"{name}.pkl"))
                entries[name] = self._write_file(temporaries[name], name, value)
            with self._edit_manifest() as manifest:
                for name, entry in entries.items():
                    temporaries[name].replace(self.folder / entry["file"])
                manifest["artifacts"].update(entries)
        self.outputs |= {name: entry["sha256"] for name, entry in entries.items()}

    def remove(self, name: str) -> None:
        """Delete an artifact if it exists."""
        with self._edit_manifest() as manifest:
            manifest["artifacts"].pop(name, None)
        self.outputs.pop(name, None)

    def remove_when_recorded(self, name: str) -> None:
        """Delete an artifact, if it exists, in the same moment in which `record_step` records this script."""
        self._obsolete.add(name)
        self.outputs.pop(name, None)

    def record_start(self) -> None:
        """Record in the manifest that this script has started, and its flags, until it is recorded as finished."""
        with self._edit_manifest() as manifest:
            manifest["started"][self.script] = {"arguments": self.arguments, "started": _now()}

    def forget_start(self) -> None:
        """Remove the record of `record_start`, because the script cannot run with these flags."""
        with self._edit_manifest() as manifest:
            manifest["started"].pop(self.script, None)

    def record_step(self, **facts: Any) -> None:
        """Record in the manifest that this script has finished, its flags, inputs and outputs, and `facts`."""
        record = {
            "arguments": self.arguments,
            "inputs": self.inputs,
            "external_files": self.external_files,
            "outputs": self.outputs,
            "finished": _now(),
            **facts,
        }
        with self._edit_manifest() as manifest:
            manifest["steps"][self.script] = record
            manifest["started"].pop(self.script, None)
            for name in self._obsolete:
                manifest["artifacts"].pop(name, None)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold a lock while a script runs, so that a second process of the same script, or another step 7, waits."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = BUILD_STEP.script if self.script in list_build_scripts() else self.script
        lock = FileLock(self.folder / f".{name}.lock")
        try:
            acquired = lock.acquire(timeout=0)
        except Timeout:
            print(f"Another process is running {name}; waiting until it has finished.", flush=True)
            acquired = lock.acquire()
        with acquired:
            yield

    def _write_file(self, path: Path, name: str, value: Any) -> dict[str, Any]:
        """Pickle one value to `path` and return its manifest entry."""
        safe_pickle.check_plain(value, name)
        with open(path, "wb") as file:
            writer = HashingWriter(file)
            safe_pickle.dump(value, writer)
        sha256 = writer.sha256.hexdigest()
        return {
            "file": f"{name}-{sha256[:8]}.pkl",
            "sha256": sha256,
            "bytes": path.stat().st_size,
            "shape": list(value.shape) if isinstance(value, np.ndarray) else None,
            "script": self.script,
            "arguments": self.arguments,
            "settings": self.settings,
            "created": _now(),
            "inputs": dict(self.inputs),
            "external_files": dict(self.external_files),
        }

    @contextmanager
    def _edit_manifest(self) -> Iterator[dict[str, Any]]:
        """Yield the manifest for editing, under a lock; then replace it by one rename and delete replaced artifacts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".manifest.lock"):
            manifest = self.manifest()
            artifacts = manifest["artifacts"]
            previous = dict(artifacts)
            yield manifest
            write_manifest(self.folder / "manifest.json", manifest)
            for name in previous.keys() | artifacts.keys():
                if previous.get(name) != artifacts.get(name):
                    current_file = artifacts.get(name, {}).get("file")
                    for path in self.folder.glob(f"{name}-????????.pkl"):
                        if path.name != current_file:
                            path.unlink(missing_ok=True)


def _remedy(entry: dict[str, Any]) -> str:
    return f"Run: {format_command(entry['script'], entry['arguments'])}"


def _now() -> str:
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")
