"""Keep the history and the test predictions of the newest trainings in data/, so that two of them can be compared.

Each is an artifact run_<digest of the weights>. It has no inputs, so that it does not become stale when another network
is trained. A run of FER2013 takes 110 KB.
"""

from typing import Any

from pipeline.evaluation.metrics import Predictions
from pipeline.reporting import run_log
from pipeline.workflow.artifacts import ArtifactStore

MAX_RUNS = 30  # of which the archive keeps the history and the predictions

Run = dict[str, Any]  # "number", "record" of run_log, "history", "predictions", "views", "faces_sha256"


def archive_run(store: ArtifactStore, predictions: dict[str, Any], views: int) -> None:
    """Keep the evaluated network's history and its predictions on test, and delete the oldest run beyond MAX_RUNS.

    Args:
        store: From which trained_model and history have been read.
        predictions: Of the test split, as fields of `Predictions`.
        views: Number of views (TTA) that they average over.
    """
    archive = ArtifactStore(store.folder, store.script)
    run = {
        "weights_sha256": store.inputs["trained_model"],
        "history": store.read("history"),
        "predictions": predictions,
        "views": views,
        "faces_sha256": store.entry("test_x")["inputs"].get("dataset", ""),
    }
    archive.write(**{_artifact_name(run["weights_sha256"]): run})
    entries = {name: e for name, e in store.manifest()["artifacts"].items() if name.startswith("run_")}
    for name in sorted(entries, key=lambda name: entries[name]["created"])[:-MAX_RUNS]:
        archive.remove(name)


def list_archived(store: ArtifactStore) -> list[int]:
    """Return the numbers, from 1, of the trainings in runs.csv that the archive holds; of equal weights the newest."""
    numbers = {record["weights_sha256"]: number for number, record in enumerate(run_log.read_runs(), start=1)}
    return sorted(
        number for sha256, number in numbers.items() if sha256 and store.has(_artifact_name(sha256))
    )


def read_run(store: ArtifactStore, number: int) -> Run:
    """Return an archived run by its number in runs.csv.

    Raises:
        ValueError: If there is no such run, or it was not evaluated, or it is older than the archive.
    """
    records = run_log.read_runs()
    archived = list_archived(store)
    if number not in archived:
        available = ", ".join(map(str, archived)) or "none"
        raise ValueError(
            f"Run {number} cannot be compared: its predictions are not in data/. Runs that can be: {available}. "
            "Step 9 (Performance.py) keeps those of the network that it evaluates."
        )
    record = records[number - 1]
    run = store.read(_artifact_name(record["weights_sha256"]))
    return run | {"number": number, "record": record, "predictions": Predictions(**run["predictions"])}


def _artifact_name(sha256: str) -> str:
    return f"run_{sha256[:16]}"
