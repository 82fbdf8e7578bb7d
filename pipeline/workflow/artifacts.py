"""data/: the pickled artifacts that one step hands to the next, and why they can be trusted.

    data/manifest.json           what is in data/ and how it came to be
    data/train_x-3f1c09ab.pkl    an artifact, named after its content
    data/.*.lock                 held by the step that is at work

A step's artifacts are written under new names and become visible together, when manifest.json is replaced by
one rename: whatever moment a step is killed at, either all of its new artifacts are there or all of the old.
The manifest says of each artifact which script made it, when, with which settings and from what, and the
SHA-256 of its content and of what it was made from. Reading checks all of it.

To look at an artifact yourself, from the project's folder:

    from pipeline.cache import Cache
    train_x = Cache().read("train_x")
"""

import hashlib
import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from pipeline.workflow import safe_pickle
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.fingerprint import compute_fingerprint, compute_sha256, has_changed
from pipeline.workflow.formatting import shell_quote
from pipeline.workflow.steps import DATA, STEPS

MANIFEST_VERSION = 2


class ArtifactStore:
    """Reads and writes artifacts on behalf of one script, and keeps account of what it made from what.

    `script` and `settings` are recorded with what is written; reading alone needs neither.
    """

    def __init__(self, folder: Path = DATA, script: str = "", settings: dict[str, Any] | None = None):
        self.folder = folder
        self.script = script
        self.settings = settings or {}
        self.inputs: dict[str, str] = {}  # artifact -> SHA-256, of all that was read
        self.files: dict[str, dict[str, Any]] = {}  # path -> fingerprint, of files from outside
        self.outputs: dict[str, str] = {}
        self._changed: dict[str, bool] = {}  # path -> whether a file from outside has changed; looked at once

    # ----------------------------------------------------------------------------------------------
    # Reading
    # ----------------------------------------------------------------------------------------------
    def read(self, name: str, track: bool = True) -> Any:
        """An artifact, once it is known to be whole, unaltered and up to date.

        What is written afterwards counts as made from it, unless `account` is False.
        Raises FileNotFoundError where it is missing and ValueError where it is damaged or stale; both say
        which script to run.
        """
        entry = self.entry(name)
        path = self.folder / entry["file"]
        remedy = f"Run: python {shell_quote(entry['script'])}"
        try:
            with open(path, "rb") as file:
                if compute_sha256(file) != entry["sha256"]:
                    raise ValueError(
                        f"{path} is damaged or was altered: it is not what was written. {remedy}"
                    )
                file.seek(0)
                value = safe_pickle.load(file)
        except FileNotFoundError:
            if self.entry(name)["file"] != entry["file"]:  # replaced by another run in just this moment
                return self.read(name, track)
            raise FileNotFoundError(f"{path} is missing. {remedy}") from None
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{path} holds more than plain data ({error}), so it is not opened. {remedy}"
            ) from error
        if track:
            self.inputs[name] = entry["sha256"]
        return value

    def entry(self, name: str) -> dict[str, Any]:
        """What the manifest says of an artifact that is there and up to date: `shape`, `script`, `settings` ..."""
        artifacts = self.manifest()["artifacts"]
        if name not in artifacts:
            raise FileNotFoundError(f"data/ has no {name} yet. Run: python {shell_quote(_writer_of(name))}")
        self._refuse_stale(name, artifacts)
        return artifacts[name]

    def has(self, name: str) -> bool:
        return name in self.manifest()["artifacts"]

    def manifest(self) -> dict[str, Any]:
        """The whole manifest; that of an empty cache where there is none."""
        path = self.folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if manifest["version"] != MANIFEST_VERSION:
                raise ValueError(f"it is of version {manifest['version']}")
            if not all("inputs" in entry for entry in manifest["artifacts"].values()):
                raise ValueError("an entry is not whole")
            dict(manifest["steps"])
            return {
                "version": MANIFEST_VERSION,
                "artifacts": manifest["artifacts"],
                "steps": manifest["steps"],
            }
        except FileNotFoundError:
            return {"version": MANIFEST_VERSION, "artifacts": {}, "steps": {}}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} cannot be understood ({error}). Delete the folder {self.folder} and run: python run.py"
            ) from error

    def _refuse_stale(self, name: str, artifacts: dict[str, Any]) -> None:
        """Raise ValueError if `name`, or anything it was made from, was made from what has since changed.

        The one that is named is the earliest, because its script is the one to run first.
        """
        entry = artifacts[name]
        remedy = f"Run: python {shell_quote(entry['script'])}"
        for inputs, digest in entry["inputs"].items():
            if inputs in artifacts:
                self._refuse_stale(inputs, artifacts)
                if artifacts[inputs]["sha256"] != digest:
                    raise ValueError(
                        f"{name} in data/ is stale: it was made from a {inputs} that has changed. {remedy}"
                    )
        for path, before in entry["files"].items():
            if path not in self._changed:
                self._changed[path] = has_changed(self.folder.parent / path, before)
            if self._changed[path]:
                raise ValueError(f"{name} in data/ is stale: {Path(path).name} has changed since. {remedy}")

    # ----------------------------------------------------------------------------------------------
    # Writing
    # ----------------------------------------------------------------------------------------------
    def add_dependency(self, path: Path) -> None:
        """Record that what is written next is made from a file or folder outside data/, there or not."""
        inside = path.is_relative_to(self.folder.parent)  # told so that the project's folder may be moved
        name = str(path.relative_to(self.folder.parent) if inside else path)
        self.files[name] = compute_fingerprint(path)
        self._changed[name] = False

    def write(self, **artifacts: Any) -> None:
        """Store artifacts, all of them or, should anything go wrong, none.

        Raises TypeError for a value that is not made of None, bool, int, float, str, bytes, list, tuple,
        dict and NumPy arrays without objects.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = {name: self._store(name, value) for name, value in artifacts.items()}
        with self._changing_manifest() as manifest:
            manifest["artifacts"].update(entries)
        for name, entry in entries.items():
            self.outputs[name] = entry["sha256"]
            for old in self.folder.glob(f"{name}-????????.pkl"):
                if old.name != entry["file"]:
                    old.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Forget an artifact; no error if it isn't there."""
        with self._changing_manifest() as manifest:
            entry = manifest["artifacts"].pop(name, None)
        self.outputs.pop(name, None)
        if entry:
            (self.folder / entry["file"]).unlink(missing_ok=True)

    def record_step(self, **facts: Any) -> None:
        """Note in the manifest that this script has finished, what it read and wrote, and `facts`."""
        record = {
            "inputs": self.inputs,
            "files": self.files,
            "outputs": self.outputs,
            "finished": _now(),
            **facts,
        }
        with self._changing_manifest() as manifest:
            manifest["steps"][self.script] = record

    def _store(self, name: str, value: Any) -> dict[str, Any]:
        """Pickle one value into its own file and return its manifest entry."""
        safe_pickle.check_plain(value, name)
        unfinished = self.folder / f".unfinished-{name}.pkl"
        try:
            with open(unfinished, "wb") as file:
                hashing = _HashingWriter(file)
                safe_pickle.dump(value, hashing)
            digest = hashing.sha256.hexdigest()
            target = self.folder / f"{name}-{digest[:8]}.pkl"
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)  # else what didn't fit on the disk would fill it
        return {
            "file": target.name,
            "sha256": digest,
            "bytes": target.stat().st_size,
            "shape": list(value.shape) if isinstance(value, np.ndarray) else None,
            "script": self.script,
            "settings": self.settings,
            "created": _now(),
            "inputs": dict(self.inputs),
            "files": dict(self.files),
        }

    @contextmanager
    def _changing_manifest(self) -> Iterator[dict[str, Any]]:
        """The manifest to be changed, under a lock and replaced by one rename."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".manifest.lock"):
            manifest = self.manifest()
            yield manifest
            write_json(self.folder / "manifest.json", manifest)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a script runs, so that the same script started twice doesn't run twice at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f".{self.script}.lock")
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            print(f"Another {self.script} is at work; waiting until it has finished.", flush=True)
            held = lock.acquire()
        with held:
            yield


class _HashingWriter:
    """A file to write to that keeps the SHA-256 of what passes through."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)


def _writer_of(name: str) -> str:
    """The script that writes an artifact."""
    return next((step.script for step in STEPS if name in step.writes), "run.py")


def _now() -> str:
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")
