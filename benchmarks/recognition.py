"""Evaluate each network in models/, and ensembles of them, on the faces in data/ and print the results as a table.

Columns: test accuracy with its 95% interval, test accuracy by TTA over 18 views, accuracy and mean recall against the
voters' majority if step 2 has read votes, and mean and standard deviation of the test accuracy over the runs in
results/runs.csv that differ from the shipped one in their seed only. An ensemble is the mean of the probabilities of
its networks. Size and training time come from the model cards. Steps 2 and 6 must have run; faces are stretched in
contrast for the networks that were trained so.
Run:    python3 benchmarks/recognition.py
Expect: 4 minutes on two idle processor cores, nearly all of it for the 18 views of the largest networks.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from pipeline.data.pixels import stretch_contrast, to_float, to_uint8
from pipeline.data.votes import NO_MAJORITY
from pipeline.evaluation.metrics import Predictions, evaluate
from pipeline.evaluation.predict import predict_proba
from pipeline.models import model_zoo, serialization
from pipeline.reporting import run_log
from pipeline.training.fast_layers import build_fast_copy
from pipeline.workflow.artifacts import ArtifactStore

HEADINGS = (
    "network", "parameters", "multiply-adds", "training", "validation", "test (95% interval)", "with 18 views",
    "macro-F1", "voters' majority", "mean recall", "test over seeds",
)  # fmt: skip
ENSEMBLES = (("Strong", "Transfer"), ("Strong_votes", "Transfer_votes"))
CALIBRATION_BINS = 15
UNCOMPARED = {"seed", "resume", "verbose", "show"}  # settings that may differ between runs of one recipe

Probabilities = dict[tuple[str, int], np.ndarray]  # by split ("val" or "test") and number of views


def main() -> None:
    store = ArtifactStore()
    print(f"Data: {store.read('source')['label']}\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    paths = {path.stem: path for path in model_zoo.MODELS_DIR.glob("*.keras")}
    cards = {name: card for name, path in paths.items() if (card := model_zoo.read_model_card(path))}
    predictions: dict[str, Probabilities] = {}
    # From the smallest network to the largest; of LeNet-5, the baseline first.
    for name in sorted(cards, key=lambda name: (cards[name]["network"]["parameters"], name)):
        predictions[name] = predict(paths[name], cards[name], store)
        print_row([name], [cards[name]], predictions[name], store)
    for names in ENSEMBLES:
        members = [predictions[name] for name in names]
        mean = {key: np.mean([member[key] for member in members], axis=0) for key in members[0]}
        print_row(names, [cards[name] for name in names], mean, store)


def predict(path: Path, card: dict[str, Any], store: ArtifactStore) -> Probabilities:
    """Return the probabilities (N, K) of a saved network for validation and test, and for 18 views of test."""
    model = build_fast_copy(serialization.load_model(path), "float32")
    faces = {split: store.read(f"{split}_x") for split in ("val", "test")}
    if card["settings"]["train_x"].get("stretch_contrast"):
        faces = {split: to_float(stretch_contrast(to_uint8(array))) for split, array in faces.items()}
    runs = (("val", 1), ("test", 1), ("test", 18))
    return {(split, tta): predict_proba(model, faces[split], tta=tta) for split, tta in runs}


def print_row(
    names: Sequence[str], cards: Sequence[dict[str, Any]], probabilities: Probabilities, store: ArtifactStore
) -> None:
    """Print the table's row for one network, or for an ensemble of several."""
    truth = store.read("ground_truth")
    test, views = (evaluate_labels(probabilities["test", tta], truth["test"]) for tta in (1, 18))
    low, high = test["accuracy_ci95"]
    if any(card["settings"]["train_x"].get("train_on_validation") for card in cards):
        validation = "used for training"
    else:
        validation = f"{evaluate_labels(probabilities['val', 1], truth['val'])['accuracy']:.2%}"
    row = [
        " + ".join(f"[{name}](models/{name}.md)" for name in names),
        f"{sum(card['network']['parameters'] for card in cards):,}",
        f"{sum(card['network']['multiply_adds'] for card in cards) / 1e6:.1f} million",
        ", ".join(f"{card['epochs']} epochs, {card['seconds'] / 60:.0f} min" for card in cards),
        validation,
        f"**{test['accuracy']:.2%}** ({low:.2%} to {high:.2%})",
        f"{views['accuracy']:.2%}",
        f"{test['macro_f1']:.3f}",
        *format_voters(probabilities["test", 1], truth["test"]["majority"]),
        format_seeds(cards[0]) if len(cards) == 1 else "",
    ]
    print("| " + " | ".join(row) + " |", flush=True)


def evaluate_labels(probabilities: np.ndarray, truth: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the metrics of one split against FER2013's labels."""
    return evaluate(Predictions(truth["label"], probabilities), CALIBRATION_BINS)


def format_voters(probabilities: np.ndarray, majority: np.ndarray) -> tuple[str, str]:
    """Format accuracy and mean recall against the voters' majority, on the faces that have one; "" without votes."""
    if not len(majority):
        return "", ""
    has_majority = majority != NO_MAJORITY
    voters = evaluate(Predictions(majority[has_majority], probabilities[has_majority]), CALIBRATION_BINS)
    return f"{voters['accuracy']:.2%}", f"{voters['mean_recall']:.2%}"


def format_seeds(card: dict[str, Any]) -> str:
    """Format mean and standard deviation of the test accuracy over the seeds of a card's recipe."""
    accuracies = {  # of a seed that was trained twice, the later one
        run["seed"]: float(run["test_accuracy"])
        for run in run_log.read_runs()
        if run["test_accuracy"] and has_same_recipe(json.loads(run["settings"]), card)
    }
    if len(accuracies) < 2:
        return ""
    mean, deviation = statistics.mean(accuracies.values()), statistics.stdev(accuracies.values())
    return f"{mean:.2%} ± {100 * deviation:.2f}, {len(accuracies)} seeds"


def has_same_recipe(settings: run_log.RunSettings, card: dict[str, Any]) -> bool:
    """Return whether a run's settings are those of a card, except for its seed and for what cannot change the result.

    A setting that the card lacks, because it is newer than the card, is not compared.
    """
    artifacts = {"preprocessing": "train_x", "network": "model", "training": "trained_model"}
    return all(
        settings[step].get(name) == value
        for step, artifact in artifacts.items()
        for name, value in card["settings"][artifact].items()
        if name not in UNCOMPARED
    )


if __name__ == "__main__":
    main()
