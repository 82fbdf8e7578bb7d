"""Keep results/runs.csv, the log of all trainings: what changed since the previous run, and its accuracies.

Trials of a hyperparameter search are logged too, with the trial's name in the last column.
"""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from filelock import FileLock

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_text
from pipeline.workflow.steps import RESULTS

COLUMNS = (
    "date", "data", "network", "parameters", "recipe", "changed", "seed", "epochs", "seconds",
    "train_accuracy", "validation_accuracy", "test_accuracy", "settings", "weights_sha256", "trial",
)  # fmt: skip
RUN_LOG_PATH = RESULTS / "runs.csv"

RunRecord = dict[str, Any]  # by column
RunSettings = dict[str, dict[str, Any]]  # step: {field: value}


def append_run(store: ArtifactStore, record: RunRecord) -> None:
    """Append the training whose weights are in data/trained_model, or replace its row if it is logged already.

    A training that was killed before its step was recorded is finished, and logged, a second time.

    Args:
        record: values by column. Added here: `settings`; `changed`, their difference from the previous run's;
            and `weights_sha256`, the hash of data/trained_model, by which `set_accuracies` finds the run.
    """
    settings = collect_settings(store)

    def append(runs: list[RunRecord]) -> list[RunRecord]:
        weights_sha256 = store.entry("trained_model")["sha256"]
        replaced = [run for run in runs if run["weights_sha256"] == weights_sha256]
        runs = [run for run in runs if run["weights_sha256"] != weights_sha256]
        added = {
            "changed": _describe_changes(runs, settings),
            "settings": json.dumps(settings),
            "weights_sha256": weights_sha256,
            "test_accuracy": replaced[-1]["test_accuracy"] if replaced else "",  # from step 9
        }
        return [*runs, {name: (record | added).get(name, "") for name in COLUMNS}]

    _update(store, append)


def append_trial(store: ArtifactStore, record: RunRecord, trial: str) -> None:
    """Append a trial of a hyperparameter search, or replace its row if it is logged already.

    Args:
        record: As for `append_run`. A trial has no weights, so it is neither evaluated on test nor compared.
        trial: Its name, in the column of that name.
    """
    settings = {
        "preprocessing": store.entry("train_x")["settings"],
        "network": store.entry("model")["settings"],
        "training": store.settings,
    }

    def append(runs: list[RunRecord]) -> list[RunRecord]:
        runs = [run for run in runs if run["trial"] != trial]
        added = {
            "changed": _describe_changes(runs, settings),
            "settings": json.dumps(settings),
            "trial": trial,
        }
        return [*runs, {name: (record | added).get(name, "") for name in COLUMNS}]

    _update(store, append)


def collect_settings(store: ArtifactStore) -> RunSettings:
    """Return the settings of the steps that a training depends on."""
    artifacts = {"preprocessing": "train_x", "network": "model", "training": "trained_model"}
    return {step: store.entry(artifact)["settings"] for step, artifact in artifacts.items()}


def set_accuracies(store: ArtifactStore, weights_sha256: str, accuracies: dict[str, float]) -> None:
    """Set the accuracies {split: accuracy} of the latest run with these weights; no error if it is not logged."""

    def set_latest(runs: list[RunRecord]) -> list[RunRecord]:
        for run in reversed(runs):
            if run["weights_sha256"] == weights_sha256:
                run |= {f"{split}_accuracy": f"{accuracy:.4f}" for split, accuracy in accuracies.items()}
                break
        return runs

    _update(store, set_latest)


def read_runs() -> list[RunRecord]:
    """Return all runs, the oldest first, all values as text; an empty list if there is no file.

    A column that the file lacks is empty.
    """
    if not RUN_LOG_PATH.exists():
        return []
    with open(RUN_LOG_PATH, encoding="utf-8", newline="") as file:
        try:
            return [{name: run.get(name) or "" for name in COLUMNS} for run in csv.DictReader(file)]
        except csv.Error as error:
            raise ValueError(
                f"{RUN_LOG_PATH} is not a valid CSV ({error}). Move it away to start a new log."
            ) from error


def format_differences(before: RunSettings, after: RunSettings) -> str:
    """Format the settings that differ, as "epochs 30 -> 50, keep last -> best"."""
    return ", ".join(
        f"{name} {before.get(step, {}).get(name)} -> {value}"
        for step, fields in after.items()
        for name, value in fields.items()
        if before.get(step, {}).get(name) != value
    )


def _describe_changes(runs: list[RunRecord], settings: RunSettings) -> str:
    """Return what differs from the settings of the newest run that is no trial; "" if there is none."""
    previous = next((run for run in reversed(runs) if not run["trial"]), None)
    return format_differences(_parse_settings(previous), settings) if previous else ""


def _parse_settings(run: RunRecord) -> RunSettings:
    try:
        return json.loads(run["settings"])
    except ValueError:
        return {}


def _update(store: ArtifactStore, change: Callable[[list[RunRecord]], list[RunRecord]]) -> None:
    with FileLock(store.folder / ".runs.lock"):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(read_runs()))
        write_text(RUN_LOG_PATH, text.getvalue())
