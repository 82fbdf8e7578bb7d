"""results/runs.csv: one line for each training, so that "what did I change, did it help" has an answer."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_text
from pipeline.workflow.steps import RESULTS

COLUMNS = (
    "date", "data", "network", "parameters", "recipe", "changed", "seed", "epochs", "seconds",
    "train_accuracy", "validation_accuracy", "test_accuracy", "settings", "weights",
)  # fmt: skip
RUN_LOG_PATH = RESULTS / "runs.csv"

RunRecord = dict[str, Any]


def append_run(store: ArtifactStore, line: RunRecord) -> None:
    """Add the line of the training in the cache.

    What differs from the settings of the line before is told in `changed`. `weights` is the hash of
    data/trained_model, by which `set_accuracies` finds the line.
    """
    now = collect_settings(store)

    def append(lines: list[RunRecord]) -> list[RunRecord]:
        before = _parse_settings(lines[-1]) if lines else now
        told = {"changed": format_differences(before, now), "settings": json.dumps(now)}
        return [*lines, {name: (line | told).get(name, "") for name in COLUMNS}]

    _update(store, append)


def collect_settings(store: ArtifactStore) -> dict[str, dict[str, Any]]:
    """The settings of the steps on which a training depends, {step: {name: value}}."""
    artifacts = {"preprocessing": "train_x", "network": "model", "training": "trained_model"}
    return {step: store.entry(artifact)["settings"] for step, artifact in artifacts.items()}


def set_accuracies(store: ArtifactStore, weights: str, accuracies: dict[str, float]) -> None:
    """Fill in what step 9 measured, {split: accuracy}; nothing happens where that training has no line."""

    def fill(lines: list[RunRecord]) -> list[RunRecord]:
        for line in reversed(lines):
            if line["weights"] == weights:
                line |= {f"{split}_accuracy": f"{accuracy:.4f}" for split, accuracy in accuracies.items()}
                break
        return lines

    _update(store, fill)


def read_runs(path: Path = RUN_LOG_PATH) -> list[RunRecord]:
    """All lines as text, the oldest first; none where there is no file. What an older version lacks is empty."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        try:
            return [{name: line.get(name) or "" for name in COLUMNS} for line in csv.DictReader(file)]
        except csv.Error as error:
            raise ValueError(f"{path} is no CSV ({error}). Move it away to begin a new one.") from error


def format_differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> str:
    """Which settings differ, as "epochs 30 -> 50, keep last -> best"."""
    changes = []
    for step in after:
        for name, value in after[step].items():
            old = before.get(step, {}).get(name)
            if old != value:
                changes.append(f"{name} {old} -> {value}")
    return ", ".join(changes)


def _parse_settings(line: RunRecord) -> dict[str, dict[str, Any]]:
    try:
        return json.loads(line["settings"])
    except ValueError:
        return {}


def _update(store: ArtifactStore, change: Callable[[list[RunRecord]], list[RunRecord]]) -> None:
    with FileLock(store.folder / ".runs.lock"):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(read_runs()))
        write_text(RUN_LOG_PATH, text.getvalue())
