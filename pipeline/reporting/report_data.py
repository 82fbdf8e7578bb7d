"""Read and check what the steps wrote to results/ and data/, for the report.

A function raises FileNotFoundError if its step has not run, ValueError for a file that cannot be read or is stale,
and KeyError, TypeError, IndexError or AttributeError for content with another schema.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pipeline.data.fer2013 import SPLITS, Emotions
from pipeline.evaluation.metrics import Predictions, accuracy_interval
from pipeline.evaluation.saliency import REGIONS
from pipeline.reporting import charts, run_log
from pipeline.reporting.comparison import compare_runs, have_equal_faces, summarize
from pipeline.reporting.report_figures import embed_image
from pipeline.reporting.run_archive import list_archived, read_run
from pipeline.reporting.verdict import build_verdict
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.formatting import format_command
from pipeline.workflow.results_index import check_network
from pipeline.workflow.steps import RESULTS, STEPS

SPLIT_METRICS = (
    "accuracy",
    "loss",
    "mean_recall",
    "macro_f1",
    "top_2_accuracy",
    "expected_calibration_error",
)  # of each split in metrics.json; the page shows them
NETWORK_STEP = 7
N_BEST_TRIALS = 10  # of a hyperparameter search that the page lists
NOT_NETWORKS = (
    "Compiling_model.py",
    "Save_model.py",
)  # scripts named *_model.py that are no alternative step 7

ReportData = dict[str, Any]


def read_json(name: str) -> ReportData:
    """Read a JSON file in results/."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def collect_metrics() -> ReportData:
    """Return results/metrics.json, after checking all values that the page shows."""
    metrics = read_json("metrics.json")
    metrics["voters"] = {
        name: split["voters"] for name, split in metrics["splits"].items() if "voters" in split
    }
    for split in (*metrics["splits"].values(), *metrics["voters"].values()):
        for name in SPLIT_METRICS:
            split[name] = float(split[name])
        low, high = split["accuracy_ci95"]
        split["accuracy_ci95"] = (float(low), float(high))
    _ = (metrics["splits"]["test"], metrics["network"]["name"], metrics["data"])  # KeyError if one is missing
    return metrics


def collect_verdict(store: ArtifactStore) -> ReportData:
    """Return what the numbers of the network in data/ mean, in words, and what to try next."""
    predictions = Predictions(**store.read("predictions")["test"])
    arguments = store.entry("trained_model")["arguments"]
    return build_verdict(read_json("metrics.json"), store.read("history"), predictions, arguments)


def collect_analysis() -> ReportData:
    """Return the faces per emotion and split, and the defects of the data set with their counts."""
    analysis = read_json("analysis.json")
    counts = {SPLITS[usage]: analysis["counts"][usage] for usage in SPLITS}
    duplicates, images = analysis["duplicates"], analysis["images"]
    defects = {
        "rows that repeat another row": duplicates["repeated_rows"],
        "validation faces that are also in train": duplicates["also_in_training"]["PublicTest"],
        "test faces that are also in train": duplicates["also_in_training"]["PrivateTest"],
        "groups of equal images with different labels": duplicates["groups_with_different_labels"],
        "constant images": images["constant"],
        "nearly black images": images["nearly_black"],
    }
    return {
        "splits": list(counts),
        "rows": [(name, [int(split[name]) for split in counts.values()]) for name in counts["train"]],
        "totals": [sum(split.values()) for split in counts.values()],
        "defects": [(defect, int(count)) for defect, count in defects.items()],
    }


def collect_layers() -> list[ReportData]:
    """Return the layers of the network, from results/model.json."""
    return [
        {
            "layer": layer["layer"],
            "details": layer["details"],
            "output": list(layer["output"]),
            "parameters": int(layer["parameters"]),
        }
        for layer in read_json("model.json")["layers"]
    ]


def collect_emotions(emotions: Emotions) -> list[ReportData]:
    """Return precision and recall with their 95% intervals, F1 and support of each emotion on test."""
    report = read_json("classification_report.json")
    rows = []
    for emotion in emotions:
        precision, recall, f1, support = (
            float(report[emotion][name]) for name in ("precision", "recall", "f1-score", "support")
        )
        n_correct = round(recall * support)
        n_predicted = round(n_correct / precision) if precision else 0
        rows.append(
            {
                "emotion": emotion,
                "precision": precision,
                "precision_ci95": accuracy_interval(n_correct, n_predicted) if n_predicted else None,
                "recall": recall,
                "recall_ci95": accuracy_interval(n_correct, round(support)) if support else None,
                "f1-score": f1,
                "support": support,
            }
        )
    return rows


def collect_saliency(store: ArtifactStore) -> ReportData | None:
    """Return what step 12 with --explain found out: images, and per emotion its saliency by region; None without it."""
    if not (RESULTS / "saliency.json").exists():
        return None
    for name in ("saliency.json", "saliency.png", "saliency_by_emotion.png"):
        check_network(store, name)
    facts = read_json("saliency.json")
    return {
        "method": str(facts["method"]),
        "regions": list(REGIONS),
        "rows": [
            (
                emotion,
                int(n_faces),
                [float(facts["relative_saliency"][emotion][region]) for region in REGIONS],
            )
            for emotion, n_faces in facts["faces"].items()
        ],
        "faces": embed_image("saliency.png"),
        "means": embed_image("saliency_by_emotion.png"),
    }


def collect_exports(store: ArtifactStore) -> list[ReportData]:
    """Return the exported files that the newest model card in results/ lists, if it is of the network in data/."""
    cards = sorted(RESULTS.glob("FER_CNN_*.json"), key=lambda path: path.stat().st_mtime)
    if not cards:
        raise FileNotFoundError("There is no model card in results/.")
    check_network(store, cards[-1].name)
    formats = json.loads(cards[-1].read_text(encoding="utf-8"))["formats"]
    numbers = ("bytes", "largest_difference", "milliseconds")
    return [
        {"file": name, "exists": (RESULTS / name).exists()}
        | {number: float(facts[number]) for number in numbers}
        for name, facts in formats.items()
    ]


def collect_runs() -> ReportData:
    """Return the runs in runs.csv but for trials, the newest first, and test accuracy against parameters."""
    runs = run_log.read_runs()
    for number, run in enumerate(runs, start=1):
        run["number"] = number
    n_trials = sum(bool(run["trial"]) for run in runs)
    runs = [run for run in runs if not run["trial"]]
    if not runs:
        raise FileNotFoundError("No training is logged.")
    points = _to_points([run for run in runs if run["test_accuracy"] and int(run["parameters"] or 0) > 0])
    return {
        "runs": [_format_run(run) for run in runs[::-1]],
        "chart": charts.scatter_chart("Test accuracy", "parameters (log scale)", points)
        if len(points) > 1
        else None,
        "data": {run["data"] for run in runs},
        "n_trials": n_trials,
    }


def collect_search() -> ReportData | None:
    """Return what Search_Hyperparameters.py found, with the best trials first; None if it has not run."""
    try:
        summary = read_json("search.json")
    except FileNotFoundError:
        return None
    complete = [trial for trial in summary["trials"] if trial["state"] == "complete"]
    best = sorted(complete, key=lambda trial: trial["accuracy"], reverse=True)[:N_BEST_TRIALS]
    return {
        "best": [(trial["number"], float(trial["accuracy"]), trial["values"]) for trial in best],
        "names": list(summary["importance"] or (best[0]["values"] if best else {})),
        "n_trials": len(summary["trials"]),
        "n_complete": len(complete),
        "command": summary["command"],
        "data": summary["data"],
    }


def collect_comparison(store: ArtifactStore, compared: tuple[int, int] | None) -> ReportData | None:
    """Compare two runs, or else the newest one with the one before it on the same faces; None if there is none."""
    runs = [read_run(store, number) for number in compared or list_archived(store)]
    if not compared:
        runs = [run for run in runs if have_equal_faces(run, runs[-1])][-2:]
    if len(runs) < 2:
        return None
    comparison = compare_runs(*runs)
    return comparison | {"summary": summarize(comparison)}


def _to_points(runs: list[run_log.RunRecord]) -> list[ReportData]:
    points = []
    for run in runs:
        accuracy, parameters = float(run["test_accuracy"]), int(run["parameters"])
        text = (
            f"run {run['number']}, {run['network']}: {parameters:,} parameters, test accuracy {accuracy:.2%}"
        )
        points.append({"x": parameters, "y": accuracy, "text": text, "is_current": run is runs[-1]})
    return points


def _format_run(run: run_log.RunRecord) -> run_log.RunRecord:
    """Return a run with its numbers as people read them; a value that is no number stays as it is."""
    formats: dict[str, Callable[[str], str]] = {
        "test_accuracy": lambda text: f"{float(text):.2%}",
        "validation_accuracy": lambda text: f"{float(text):.2%}",
        "train_accuracy": lambda text: f"{float(text):.2%}",
        "parameters": lambda text: f"{int(text):,}",
        "seconds": lambda text: format_duration(float(text)),
        "date": lambda text: text[:16],
    }
    formatted = run | {"seconds_value": run["seconds"]}
    for name, convert in formats.items():
        with suppress(ValueError):
            formatted[name] = convert(run[name])
    return formatted


def format_duration(seconds: float) -> str:
    """Format a duration as "24 s", "3:05 min" or "1:02 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"


def collect_steps(store: ArtifactStore) -> list[ReportData]:
    """Return when each step finished, its duration and its peak memory; of step 7, the script that ran last."""
    try:
        records = store.manifest()["steps"]
    except ValueError:
        records = {}
    rows = []
    for step in STEPS:
        script = _latest_network(records) or step.script if step.number == NETWORK_STEP else step.script
        record = records.get(script, {})
        memory = record.get("peak_memory")
        rows.append(
            {
                "number": step.number,
                "script": script,
                "title": step.title,
                "seconds": record.get("seconds"),
                "megabytes": round(memory / 1e6) if memory else None,
                "finished": record.get("finished", ""),
            }
        )
    return rows


def _latest_network(records: dict[str, ReportData]) -> str | None:
    networks = [name for name in records if name.endswith("_model.py") and name not in NOT_NETWORKS]
    return max(networks, key=lambda name: records[name].get("finished", ""), default=None)


def collect_commands(store: ArtifactStore) -> list[str]:
    """Return the command that last ran each step, in the order in which they ran."""
    records = store.manifest()["steps"]
    if not records:
        raise FileNotFoundError("No step has run.")
    return [
        format_command(script, record["arguments"])
        for script, record in sorted(records.items(), key=lambda item: item[1]["finished"])
    ]


def collect_settings(store: ArtifactStore) -> list[ReportData]:
    """Return the settings of each step that has run, in order, and which ones the command line changed."""
    records = store.manifest()["steps"]
    if not records:
        raise FileNotFoundError("No step has run.")
    return [
        {"script": script, "fields": record["settings"], "changed": record["changed"]}
        for script, record in sorted(records.items(), key=lambda item: item[1]["finished"])
    ]
