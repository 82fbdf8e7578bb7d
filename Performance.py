"""Step 9: evaluate the trained network on train, validation and test.

Computes accuracy with its 95% interval, cross-entropy loss, recall per emotion and their mean, macro-F1, top-2
accuracy and the expected calibration error (ECE): against FER2013's label and, with the votes of FER+, against the
voters' majority; and the accuracy on the faces whose image is not repeated in the training data. The test split is
used here for the first time.

Reads:  data/trained_model, history, emotions, source, ground_truth, train_x, val_x, test_x
Writes: data/predictions, data/metrics, results/metrics.json, and the accuracies of this training in results/runs.csv
Run:    python3 Performance.py
Expect: with the default settings on FER2013 about 95% on train and 48% on test: LeNet-5 overfits.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.workflow.cli import run_step

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions, is_fer2013
from pipeline.data.targets import GroundTruth
from pipeline.data.votes import NO_MAJORITY
from pipeline.evaluation.metrics import Predictions, evaluate, evaluate_accuracy
from pipeline.evaluation.metrics_table import format_table, remark_on_calibration
from pipeline.evaluation.predict import predict_proba
from pipeline.models import complexity, serialization
from pipeline.models.backend import keras
from pipeline.reporting import run_log
from pipeline.reporting.run_archive import archive_run
from pipeline.training.fast_layers import build_fast_copy
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.results_index import record_network
from pipeline.workflow.settings import PositiveInt
from pipeline.workflow.steps import RESULTS

ARRAYS = {"train": "train", "validation": "val", "test": "test"}  # split: prefix of its arrays in data/
PUBLISHED_BASELINE = {
    "train": 0.9539,
    "test": 0.4947,
}  # LeNet-5 on FER2013, of the notebook that is reproduced here


@dataclass
class Settings:
    tta: Literal[1, 2, 18] = 1  # views of each face to average over; 2: flipped too, 18: flipped and shifted
    batch_size: PositiveInt = 512  # faces per forward pass; changes the speed, not the result
    calibration_bins: PositiveInt = 15  # bins of confidence, for the expected calibration error


def main(settings: Settings, store: ArtifactStore) -> None:
    trained = store.read("trained_model")
    model = build_fast_copy(serialization.unpack(trained), "float32")
    emotions, ground_truth = store.read("emotions"), store.read("ground_truth")
    predictions, splits = {}, {}
    for split, prefix in ARRAYS.items():
        faces = store.read(f"{prefix}_x")
        if split == "train" and len(faces) > len(ground_truth[prefix]["label"]):  # with the validation faces
            faces = faces[: len(ground_truth[prefix]["label"])]
        predictions[split], splits[split] = evaluate_split(
            model, faces, ground_truth[prefix], emotions, settings
        )

    metrics = describe_run(trained, model, store) | {"tta": settings.tta, "splits": splits}
    store.write(predictions=predictions, metrics=metrics)
    with record_network(store, "metrics.json"):
        write_json(RESULTS / "metrics.json", metrics)
    archive_run(store, predictions["test"], settings.tta)
    accuracies = {split: figures["accuracy"] for split, figures in splits.items()}
    run_log.set_accuracies(store, store.inputs["trained_model"], accuracies)
    print_metrics(metrics)


def evaluate_split(
    model: keras.Model, faces: np.ndarray, ground_truth: GroundTruth, emotions: Emotions, settings: Settings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the predictions of one split, as fields of `Predictions`, and their metrics."""
    labels = ground_truth["label"]
    probabilities = predict_proba(model, faces, settings.batch_size, settings.tta)
    predictions = Predictions(labels, probabilities, emotions)
    metrics = evaluate(predictions, settings.calibration_bins)
    if settings.tta > 1:
        single_view = Predictions(labels, predict_proba(model, faces, settings.batch_size), emotions)
        metrics["single_view_accuracy"] = float(single_view.correct.mean())
    metrics["not_in_training"] = evaluate_accuracy(predictions, ~ground_truth["in_training"])
    if len(ground_truth["majority"]):
        metrics["voters"] = evaluate_voters(predictions, ground_truth["majority"], settings.calibration_bins)
    return asdict(predictions), metrics


def evaluate_voters(predictions: Predictions, majority: np.ndarray, n_bins: int) -> dict[str, Any]:
    """Return the metrics against the voters' majority, on the faces that have one."""
    has_majority = majority != NO_MAJORITY
    return evaluate(
        Predictions(majority[has_majority], predictions.probabilities[has_majority], predictions.emotions),
        n_bins,
    )


def describe_run(trained: dict[str, Any], model: keras.Model, store: ArtifactStore) -> dict[str, Any]:
    """Return the part of results/metrics.json that names the data, the network and its training."""
    history, source = store.read("history"), store.read("source", track=False)
    facts = {
        "data": source["label"],
        "is_sample": source["is_sample"],
        "network": {
            "name": trained["name"],
            "parameters": model.count_params(),
            "multiply_adds": complexity.count_multiply_adds(model),
        },
        "training": {
            "keep": trained["keep"],
            "epochs": len(history["loss"]),
            "seconds": sum(history["seconds"]),
        },
        "settings": run_log.collect_settings(store),
    }
    is_comparable = is_fer2013(source["label"]) and store.read("emotions") == EMOTIONS
    return facts | {"published": PUBLISHED_BASELINE} if is_comparable else facts


def print_metrics(metrics: dict[str, Any]) -> None:
    """Print a table with a row per split, and what to keep in mind about it."""
    print(f"  Data: {metrics['data']}")
    splits = metrics["splits"]
    print(format_table(splits))
    if "voters" in splits["test"]:
        print("  Against the voters' majority:")
        print(format_table({split: figures["voters"] for split, figures in splits.items()}))
    if remark := remark_on_calibration(splits["test"].get("voters", splits["test"])):
        print(f"  {remark}")
    unseen = splits["test"]["not_in_training"]
    if unseen["faces"] < splits["test"]["faces"]:
        low, high = unseen["accuracy_ci95"]
        print(
            f"  On the {unseen['faces']:,} test faces whose image is not in the training split: "
            f"{unseen['accuracy']:.2%} ({low:.2%} to {high:.2%})."
        )
    if metrics["settings"]["preprocessing"].get("train_on_validation"):
        print("  The validation faces were used for training: their accuracy says nothing about new ones.")
    if metrics["tta"] > 1:
        gains = ", ".join(
            f"{100 * (figures['accuracy'] - figures['single_view_accuracy']):+.2f} on {split}"
            for split, figures in splits.items()
        )
        print(f"  TTA over {metrics['tta']} views changes the accuracy, in percentage points: {gains}.")
    if "published" in metrics:
        published = ", ".join(
            f"{accuracy:.2%} on {split}" for split, accuracy in metrics["published"].items()
        )
        print(f"  Published baseline on FER2013: {published}.")
    print("  table: results/metrics.json")


if __name__ == "__main__":
    run_step(main, Settings)
