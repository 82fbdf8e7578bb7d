"""Step 9: how good the trained network is.

Accuracy with its 95% interval, loss, balanced accuracy, macro-F1, top-2 accuracy and expected calibration
error, on train, validation and test. This is the first look at the test split.
Reads data/trained_model, history, and the arrays of step 6. Writes data/predictions, metrics, and
results/metrics.json; fills in this training's line of results/runs.csv.
Run:    python Performance.py
Expect: with the default settings on FER2013 about 95% on train and 48% on test: LeNet-5 learns by heart.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.workflow.cli import run_step

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, recall_score, top_k_accuracy_score

from pipeline.data.fer2013 import EMOTIONS
from pipeline.evaluation import predict
from pipeline.models import complexity, serialization
from pipeline.reporting import run_log
from pipeline.training.fast_layers import build_fast_copy
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.steps import RESULTS

SPLITS = {"train": "train", "validation": "val", "test": "test"}  # split: how its arrays are called
# What the description that this pipeline follows reports for LeNet-5 on FER2013.
DESCRIPTION = {"train": 0.9539, "test": 0.4947}


@dataclass
class Settings:
    tta: Literal[1, 2, 18] = 1  # of each face, to average over: 2 with its mirror image, 18 shifted too
    batch_size: int = 512  # faces at a time; changes the speed, not the result
    calibration_bins: int = 15  # of confidence, for the expected calibration error


def main(settings: Settings, store: ArtifactStore) -> None:
    for name in ("batch_size", "calibration_bins"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must be at least 1.")
    trained, history, source = store.read("trained_model"), store.read("history"), store.read("source")
    model = build_fast_copy(serialization.unpack(trained), "float32")
    predictions, splits = {}, {}
    for split, short in SPLITS.items():
        faces, one_hot = store.read(f"{short}_x"), store.read(f"{short}_y")
        labels = one_hot.argmax(axis=1)
        probabilities = predict.predict_proba(model, faces, settings.batch_size, settings.tta)
        predictions[split] = {"labels": labels.astype(np.uint8), "probabilities": probabilities}
        splits[split] = measure(labels, probabilities, settings.calibration_bins)
        if settings.tta > 1:
            by_one = predict.predict_proba(model, faces, settings.batch_size).argmax(axis=1)
            splits[split]["single_view_accuracy"] = float((by_one == labels).mean())

    metrics = {
        "data": source["label"],
        "is_sample": source["is_sample"],
        "network": {
            "name": trained["name"],
            "parameters": model.count_params(),
            "multiply_adds": complexity.count_multiply_adds(model),
        },
        "tta": settings.tta,
        "training": {
            "weights": trained["keep"],
            "epochs": len(history["loss"]),
            "seconds": sum(history["seconds"]),
        },
        "settings": run_log.collect_settings(store),
        "splits": splits,
    }
    if not source["is_sample"]:
        metrics["description"] = DESCRIPTION
    write_json(RESULTS / "metrics.json", metrics)
    store.write(predictions=predictions, metrics=metrics)
    weights = store.inputs["trained_model"]
    run_log.set_accuracies(store, weights, {split: figures["accuracy"] for split, figures in splits.items()})
    report(metrics)


def measure(labels: np.ndarray, probabilities: np.ndarray, bins: int) -> dict[str, Any]:
    """All figures of one split; labels (N,) integers, probabilities (N, 7)."""
    predicted = probabilities.argmax(axis=1)
    right = int((predicted == labels).sum())
    # Wilson's interval (1927): unlike the usual one it holds near 0 and 1 and for small splits.
    interval = binomtest(right, len(labels)).proportion_ci(confidence_level=0.95, method="wilson")
    every = np.arange(len(EMOTIONS))
    per_emotion = {"labels": every, "average": None, "zero_division": 0}
    return {
        "faces": len(labels),
        "accuracy": right / len(labels),
        "accuracy_95": [float(interval.low), float(interval.high)],
        # float32 rows sum to 1 only nearly, which scikit-learn would warn of
        "loss": float(log_loss(labels, normalized(probabilities), labels=every)),
        "balanced_accuracy": float(balanced_accuracy_score(labels, predicted)),
        "recall": dict(zip(EMOTIONS, recall_score(labels, predicted, **per_emotion).tolist(), strict=True)),
        "macro_f1": float(f1_score(labels, predicted, labels=every, average="macro", zero_division=0)),
        "top_2_accuracy": float(top_k_accuracy_score(labels, probabilities, k=2, labels=every)),
        "expected_calibration_error": expected_calibration_error(labels, probabilities, bins),
    }


def normalized(probabilities: np.ndarray) -> np.ndarray:
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int) -> float:
    """Mean gap between confidence and accuracy over equally wide bins of confidence, weighted by their faces.

    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(which, right, bins) - np.bincount(which, confidence, bins)
    return float(np.abs(gap).sum() / len(labels))


def report(metrics: dict[str, Any]) -> None:
    print(f"  DATA: {metrics['data'].upper()}")
    table = pd.DataFrame(metrics["splits"]).T
    intervals = [f"{low:.2%} to {high:.2%}" for low, high in table.accuracy_95]
    gains = {
        split: figures["accuracy"] - figures["single_view_accuracy"]
        for split, figures in metrics["splits"].items()
        if "single_view_accuracy" in figures
    }
    table = table.drop(columns=["recall", "single_view_accuracy"], errors="ignore")
    table["accuracy"] = table.accuracy.map("{:.2%}".format)
    table["accuracy_95"] = intervals
    names = {"accuracy_95": "95% interval", "expected_calibration_error": "calibration_error"}
    print(table.rename(columns=names).to_string(float_format="{:.4f}".format))
    if metrics["settings"]["preprocessing"].get("validation_too"):
        print("  The validation faces were trained on as well: their accuracy tells nothing of new faces.")
    if gains:
        told = ", ".join(f"{100 * gain:+.2f} on {split}" for split, gain in gains.items())
        print(f"  Averaging over {metrics['views']} views gains, in points of accuracy: {told}.")
    if not metrics["is_sample"]:
        print(
            f"  The description reports {DESCRIPTION['train']:.2%} on train and {DESCRIPTION['test']:.2%} on test."
        )
    print("  table: results/metrics.json")


if __name__ == "__main__":
    run_step(main, Settings)
