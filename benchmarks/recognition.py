"""Evaluate each network in models/ on the faces in data/ and print the README's results table.

Columns: test accuracy with its 95% interval, test accuracy by TTA over 18 views, and mean and standard deviation of
the test accuracy over the runs in results/runs.csv that differ from the shipped one in their seed only. Size and
training time come from the model cards. Steps 2 and 6 must have run.
Run:    python3 benchmarks/recognition.py
Expect: 2 minutes on two idle processor cores, nearly all of it for the 18 views of the largest network.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.evaluation.metrics import Predictions, evaluate
from pipeline.evaluation.predict import predict_proba
from pipeline.models import model_zoo, serialization
from pipeline.models.backend import keras
from pipeline.reporting import run_log
from pipeline.training.fast_layers import build_fast_copy
from pipeline.workflow.artifacts import ArtifactStore

HEADINGS = (
    "network", "parameters", "multiply-adds", "training", "validation", "test (95% interval)", "with 18 views",
    "macro-F1", "test over seeds",
)  # fmt: skip
CALIBRATION_BINS = 15
UNCOMPARED = {"seed", "resume", "verbose", "show"}  # settings that may differ between runs of one recipe


def main() -> None:
    store = ArtifactStore()
    print(f"Data: {store.read('source')['label']}\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    cards = [(path, model_zoo.read_model_card(path)) for path in model_zoo.MODELS_DIR.glob("*.keras")]
    # From the smallest network to the largest; of LeNet-5, the baseline first.
    for path, card in sorted(cards, key=lambda pair: (pair[1]["network"]["parameters"], pair[0].stem)):
        print("| " + " | ".join(build_row(path, card, store)) + " |", flush=True)


def build_row(path: Path, card: dict[str, Any], store: ArtifactStore) -> list[str]:
    model = build_fast_copy(serialization.load_model(path), "float32")
    single, tta = evaluate_split(model, "test", store), evaluate_split(model, "test", store, tta=18)
    low, high = single["accuracy_ci95"]
    if card["settings"]["train_x"].get("train_on_validation"):
        validation = "used for training"
    else:
        validation = f"{evaluate_split(model, 'val', store)['accuracy']:.2%}"
    return [
        f"[{path.stem}](models/{path.stem}.md)",
        f"{card['network']['parameters']:,}",
        f"{card['network']['multiply_adds'] / 1e6:.1f} million",
        f"{card['epochs']} epochs, {card['seconds'] / 60:.0f} min",
        validation,
        f"**{single['accuracy']:.2%}** ({low:.2%} to {high:.2%})",
        f"{tta['accuracy']:.2%}",
        f"{single['macro_f1']:.3f}",
        format_seeds(card),
    ]


def evaluate_split(model: keras.Model, split: str, store: ArtifactStore, tta: int = 1) -> dict[str, Any]:
    """Return the metrics of a model on "val" or "test"."""
    faces, labels = store.read(f"{split}_x"), store.read(f"{split}_y").argmax(axis=1)
    return evaluate(Predictions(labels, predict_proba(model, faces, tta=tta)), CALIBRATION_BINS)


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
