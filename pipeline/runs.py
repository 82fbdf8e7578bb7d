"""results/runs.csv: one line for each training, so that "what did I change, did it help" has an answer."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.cache import Cache
from pipeline.files import write_text
from pipeline.steps import RESULTS

from filelock import FileLock

COLUMNS = (
    "date", "data", "network", "parameters", "recipe", "changed", "seed", "epochs", "seconds",
    "train_accuracy", "validation_accuracy", "test_accuracy", "settings", "weights",
)  # fmt: skip
PATH = RESULTS / "runs.csv"

Line = dict[str, Any]


def add(cache: Cache, line: Line) -> None:
    """Add the line of the training in the cache.

    What differs from the settings of the line before is told in `changed`. `weights` is the hash of
    data/trained_model, by which `set_accuracies` finds the line.
    """
    now = settings(cache)

    def append(lines: list[Line]) -> list[Line]:
        before = _settings_of(lines[-1]) if lines else now
        told = {"changed": differences(before, now), "settings": json.dumps(now)}
        return [*lines, {name: (line | told).get(name, "") for name in COLUMNS}]

    _change(cache, append)


def settings(cache: Cache) -> dict[str, dict[str, Any]]:
    """The settings of the steps on which a training depends, {step: {name: value}}."""
    artefacts = {"preprocessing": "train_x", "network": "model", "training": "trained_model"}
    return {step: cache.entry(artefact)["settings"] for step, artefact in artefacts.items()}


def set_accuracies(cache: Cache, weights: str, accuracies: dict[str, float]) -> None:
    """Fill in what step 9 measured, {split: accuracy}; nothing happens where that training has no line."""

    def fill(lines: list[Line]) -> list[Line]:
        for line in reversed(lines):
            if line["weights"] == weights:
                line |= {f"{split}_accuracy": f"{accuracy:.4f}" for split, accuracy in accuracies.items()}
                break
        return lines

    _change(cache, fill)


def read(path: Path = PATH) -> list[Line]:
    """All lines as text, the oldest first; none where there is no file. What an older version lacks is empty."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        try:
            return [{name: line.get(name) or "" for name in COLUMNS} for line in csv.DictReader(file)]
        except csv.Error as error:
            raise ValueError(f"{path} is no CSV ({error}). Move it away to begin a new one.") from error


def differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> str:
    """Which settings differ, as "epochs 30 -> 50, keep last -> best"."""
    changes = []
    for step in after:
        for name, value in after[step].items():
            old = before.get(step, {}).get(name)
            if old != value:
                changes.append(f"{name} {old} -> {value}")
    return ", ".join(changes)


def _settings_of(line: Line) -> dict[str, dict[str, Any]]:
    try:
        return json.loads(line["settings"])
    except ValueError:
        return {}


def _change(cache: Cache, change: Callable[[list[Line]], list[Line]]) -> None:
    with FileLock(cache.folder / ".runs.lock"):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(read()))
        write_text(PATH, text.getvalue())
