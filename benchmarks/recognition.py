"""How well each network that ships in models/ recognizes the faces in data/, as the table in the README.

Accuracy on test with its 95% interval, by one view and by the mean over 18; and over several seeds where
results/runs.csv has trainings that differ from the shipped one in their seed alone. Size and training time are
from the cards. Steps 2 and 6 must have been run.
Run:    python benchmarks/recognition.py
Expect: two minutes on two quiet processor cores, nearly all of it the 18 views of the strongest network.
"""

import json
import runpy
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.evaluation import predict
from pipeline.models import model_zoo, serialization
from pipeline.reporting import run_log  # noqa: E402
from pipeline.training.fast_layers import build_fast_copy  # noqa: E402
from pipeline.workflow.artifacts import ArtifactStore  # noqa: E402

HEADINGS = (
    "network", "parameters", "multiply-adds", "training", "validation", "test (95% interval)", "with 18 views",
    "macro-F1", "test over seeds",
)  # fmt: skip


def main() -> None:
    store = ArtifactStore()
    splits = {
        split: (store.read(f"{split}_x"), store.read(f"{split}_y").argmax(axis=1))
        for split in ("val", "test")
    }
    print(f"Data: {store.read('source')['label']}\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    cards = [(path, model_zoo.read_model_card(path)) for path in model_zoo.MODELS_DIR.glob("*.keras")]
    # The description's recipe first, the largest network last.
    for path, card in sorted(cards, key=lambda pair: (pair[1]["network"]["parameters"], pair[0].stem)):
        print("| " + " | ".join(row(path, card, splits)) + " |", flush=True)


def row(path: Path, card: dict[str, Any], splits: dict[str, Any]) -> list[str]:
    measure = runpy.run_path(str(ROOT / "Performance.py"), run_name="benchmark")["measure"]
    model = build_fast_copy(serialization.load_model(path), "float32")
    faces, labels = splits["test"]
    one = measure(labels, predict.predict_proba(model, faces), bins=15)
    many = measure(labels, predict.predict_proba(model, faces, tta=18), bins=15)
    low, high = one["accuracy_95"]
    if card["settings"]["train_x"].get("validation_too"):
        validation = "trained on"
    else:
        faces, labels = splits["val"]
        validation = f"{measure(labels, predict.predict_proba(model, faces), bins=15)['accuracy']:.2%}"
    return [
        f"[{path.stem}](models/{path.stem}.md)",
        f"{card['network']['parameters']:,}",
        f"{card['network']['multiply_adds'] / 1e6:.1f} million",
        f"{card['epochs']} epochs, {card['seconds'] / 60:.0f} min",
        validation,
        f"**{one['accuracy']:.2%}** ({low:.2%} to {high:.2%})",
        f"{many['accuracy']:.2%}",
        f"{one['macro_f1']:.3f}",
        over_seeds(card),
    ]


def over_seeds(card: dict[str, Any]) -> str:
    """Mean and standard deviation of the test accuracy over trainings of runs.csv like the card's."""
    like_it = [
        line
        for line in run_log.read_runs()
        if line["test_accuracy"] and same(json.loads(line["settings"]), card)
    ]
    found = {line["seed"]: float(line["test_accuracy"]) for line in like_it}  # a seed's last training counts
    if len(found) < 2:
        return ""
    return f"{statistics.mean(found.values()):.2%} ± {100 * statistics.stdev(found.values()):.2f}, {len(found)} seeds"


def same(settings: dict[str, dict[str, Any]], card: dict[str, Any]) -> bool:
    """Whether a training's settings are the card's but for the seeds and for what does not change its result."""
    told = {"preprocessing": "train_x", "network": "model", "training": "trained_model"}
    free = {"seed", "resume", "verbose", "show"}
    # A card that is older than a setting says nothing of it.
    return all(
        settings[step].get(name) == value
        for step, artifact in told.items()
        for name, value in card["settings"][artifact].items()
        if name not in free
    )


if __name__ == "__main__":
    main()
