"""data/: the pickled artefacts that one step hands to the next, and why they can be trusted.

    data/manifest.json           what is in data/ and how it came to be
    data/train_x-3f1c09ab.pkl    an artefact, named after its content
    data/.*.lock                 held by the step that is at work

A step's artefacts are written under new names and become visible together, when manifest.json is replaced by
one rename: whatever moment a step is killed at, either all of its new artefacts are there or all of the old.
The manifest says of each artefact which script made it, when, with which settings and from what, and the
SHA-256 of its content and of what it was made from. Reading checks all of it.

To look at an artefact yourself, from the project's folder:

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

from pipeline import safe_pickle
from pipeline.files import fingerprint, has_changed, sha256_of, write_json
from pipeline.steps import DATA, STEPS

import numpy as np
from filelock import FileLock, Timeout

VERSION = 2


class Cache:
    """Reads and writes artefacts on behalf of one script, and keeps account of what it made from what.

    `script` and `settings` are recorded with what is written; reading alone needs neither.
    """

    def __init__(self, folder: Path = DATA, script: str = "", settings: dict[str, Any] | None = None):
        self.folder = folder
        self.script = script
        self.settings = settings or {}
        self.made_from: dict[str, str] = {}  # artefact -> SHA-256, of all that was read
        self.files: dict[str, dict[str, Any]] = {}  # path -> fingerprint, of files from outside
        self.written: dict[str, str] = {}
        self._changed: dict[str, bool] = {}  # path -> whether a file from outside has changed; looked at once

    # ----------------------------------------------------------------------------------------------
    # Reading
    # ----------------------------------------------------------------------------------------------
    def read(self, name: str, account: bool = True) -> Any:
        """An artefact, once it is known to be whole, unaltered and up to date.

        What is written afterwards counts as made from it, unless `account` is False.
        Raises FileNotFoundError where it is missing and ValueError where it is damaged or stale; both say
        which script to run.
        """
        entry = self.entry(name)
        path = self.folder / entry["file"]
        remedy = f"Run: python {_quoted(entry['script'])}"
        try:
            with open(path, "rb") as file:
                if sha256_of(file) != entry["sha256"]:
                    raise ValueError(
                        f"{path} is damaged or was altered: it is not what was written. {remedy}"
                    )
                file.seek(0)
                value = safe_pickle.load(file)
        except FileNotFoundError:
            if self.entry(name)["file"] != entry["file"]:  # replaced by another run in just this moment
                return self.read(name, account)
            raise FileNotFoundError(f"{path} is missing. {remedy}") from None
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{path} holds more than plain data ({error}), so it is not opened. {remedy}"
            ) from error
        if account:
            self.made_from[name] = entry["sha256"]
        return value

    def entry(self, name: str) -> dict[str, Any]:
        """What the manifest says of an artefact that is there and up to date: `shape`, `script`, `settings` ..."""
        artefacts = self.manifest()["artefacts"]
        if name not in artefacts:
            raise FileNotFoundError(f"data/ has no {name} yet. Run: python {_quoted(_writer_of(name))}")
        self._refuse_stale(name, artefacts)
        return artefacts[name]

    def has(self, name: str) -> bool:
        return name in self.manifest()["artefacts"]

    def manifest(self) -> dict[str, Any]:
        """The whole manifest; that of an empty cache where there is none."""
        path = self.folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if manifest["version"] != VERSION:
                raise ValueError(f"it is of version {manifest['version']}")
            if not all("made_from" in entry for entry in manifest["artefacts"].values()):
                raise ValueError("an entry is not whole")
            dict(manifest["steps"])
            return {"version": VERSION, "artefacts": manifest["artefacts"], "steps": manifest["steps"]}
        except FileNotFoundError:
            return {"version": VERSION, "artefacts": {}, "steps": {}}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} cannot be understood ({error}). Delete the folder {self.folder} and run: python run.py"
            ) from error

    def _refuse_stale(self, name: str, artefacts: dict[str, Any]) -> None:
        """Raise ValueError if `name`, or anything it was made from, was made from what has since changed.

        The one that is named is the earliest, because its script is the one to run first.
        """
        entry = artefacts[name]
        remedy = f"Run: python {_quoted(entry['script'])}"
        for made_from, digest in entry["made_from"].items():
            if made_from in artefacts:
                self._refuse_stale(made_from, artefacts)
                if artefacts[made_from]["sha256"] != digest:
                    raise ValueError(
                        f"{name} in data/ is stale: it was made from a {made_from} that has changed. {remedy}"
                    )
        for path, before in entry["files"].items():
            if path not in self._changed:
                self._changed[path] = has_changed(self.folder.parent / path, before)
            if self._changed[path]:
                raise ValueError(f"{name} in data/ is stale: {Path(path).name} has changed since. {remedy}")

    # ----------------------------------------------------------------------------------------------
    # Writing
    # ----------------------------------------------------------------------------------------------
    def depends_on(self, path: Path) -> None:
        """Record that what is written next is made from a file or folder outside data/, there or not."""
        inside = path.is_relative_to(self.folder.parent)  # told so that the project's folder may be moved
        name = str(path.relative_to(self.folder.parent) if inside else path)
        self.files[name] = fingerprint(path)
        self._changed[name] = False

    def write(self, **artefacts: Any) -> None:
        """Store artefacts, all of them or, should anything go wrong, none.

        Raises TypeError for a value that is not made of None, bool, int, float, str, bytes, list, tuple,
        dict and NumPy arrays without objects.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = {name: self._store(name, value) for name, value in artefacts.items()}
        with self._changing_manifest() as manifest:
            manifest["artefacts"].update(entries)
        for name, entry in entries.items():
            self.written[name] = entry["sha256"]
            for old in self.folder.glob(f"{name}-????????.pkl"):
                if old.name != entry["file"]:
                    old.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Forget an artefact; no error if it isn't there."""
        with self._changing_manifest() as manifest:
            entry = manifest["artefacts"].pop(name, None)
        self.written.pop(name, None)
        if entry:
            (self.folder / entry["file"]).unlink(missing_ok=True)

    def record_step(self, **facts: Any) -> None:
        """Note in the manifest that this script has finished, what it read and wrote, and `facts`."""
        record = {
            "made_from": self.made_from,
            "files": self.files,
            "wrote": self.written,
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
            "written": _now(),
            "made_from": dict(self.made_from),
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
    def at_work(self) -> Iterator[None]:
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
    """The script that writes an artefact."""
    return next((step.script for step in STEPS if name in step.writes), "run.py")


def _quoted(script: str) -> str:
    """A script's name as one types it into a shell: step 10's has an ampersand."""
    return f'"{script}"' if "&" in script else script


def _now() -> str:
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")
