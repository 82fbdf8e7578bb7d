"""Step 13: save the trained network, for use elsewhere.

Writes results/FER_CNN_<network>.keras and .h5, loads each again and compares its answers with the original's on
test faces; a file that answers differently is refused. Beside them a model card (.md to read, .json for
programs) with labels, preprocessing, settings and metrics; all of it together in FER_CNN_<network>.zip.
Reads data/trained_model, history, metrics, test_x.
Run:    python Save_model.py
Expect: two files of 0.7 MB that agree with the original to the last digit.
"""

import json
import statistics
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import network
from pipeline.cache import Cache
from pipeline.cli import run_step
from pipeline.dataset import EMOTIONS
from pipeline.files import whole_or_not, write_json, write_text
from pipeline.steps import RESULTS

import keras
import numpy as np

PREPROCESSING = (
    "grey, 48x48 pixels, the face cut out closely; divide 0..255 by 255.0; shape (N, 48, 48, 1), float32"
)
LIMITS = (
    "The labels name how a face looks to others, not what its owner feels. People name the same emotion as "
    "FER2013's label for 65 faces of 100, give or take 5 (Goodfellow et al., 2013). Disgust is rare in the data."
)


@dataclass
class Settings:
    keras_format: bool = True  # .keras, Keras 3's own
    h5_format: bool = True  # .h5, which Keras 2 and older tools read
    compared_faces: int = 1000  # test faces on which each file must answer as the original does
    tolerance: float = 1e-5  # largest difference of probabilities that is let pass


def main(settings: Settings, cache: Cache) -> None:
    if settings.compared_faces < 1 or not settings.tolerance >= 0:
        raise ValueError("compared_faces must be at least 1, and tolerance not below 0.")
    trained = cache.read("trained_model")
    faces = cache.read("test_x")[: settings.compared_faces]
    model = network.unpack(trained)
    expected = network.predict(model, faces)

    stem = f"FER_CNN_{trained['name']}"
    endings = [".keras"] * settings.keras_format + [".h5"] * settings.h5_format
    if not endings:
        raise ValueError("Nothing to save: set keras_format or h5_format to True.")
    formats = {}
    for ending in endings:
        path = RESULTS / (stem + ending)
        facts = save_checked(model, path, faces, expected, settings.tolerance)
        told = f"differs by {facts['largest_difference']:.1e} at most, one face in {facts['milliseconds']:.2f} ms"
        print(f"  results/{path.name}: {facts['bytes'] / 1e6:.2f} MB, {told}")
        formats[path.name] = facts

    card = describe(trained, model.count_params(), formats, cache)
    write_json(RESULTS / f"{stem}.json", card)
    write_text(RESULTS / f"{stem}.md", as_text(card))
    pack_up(RESULTS / f"{stem}.zip", [RESULTS / name for name in (*formats, f"{stem}.json", f"{stem}.md")])
    print(f"  results/{stem}.md and .json: the model card;  results/{stem}.zip: all of it")


def save_checked(
    model: keras.Model, path: Path, faces: np.ndarray, expected: np.ndarray, tolerance: float
) -> dict[str, Any]:
    """Save a model, load it again, and put it in place if it answers as expected; return what was measured."""
    with whole_or_not(path) as unfinished:
        model.save(unfinished)
        loaded = keras.models.load_model(unfinished, compile=False)
        difference = float(np.abs(network.predict(loaded, faces) - expected).max())
        if not difference <= tolerance:
            raise ValueError(
                f"{path.name}, loaded again, differs by {difference:.1e} from the network it was saved from."
            )
        size = unfinished.stat().st_size
        return {"bytes": size, "largest_difference": difference, "milliseconds": time_one(loaded, faces[:1])}


def time_one(model: keras.Model, face: np.ndarray, times: int = 50) -> float:
    """Milliseconds that one face takes, the median, by the way that is quickest in Keras."""
    model.predict_on_batch(face)  # the first call compiles
    took = []
    for _ in range(times):
        started = time.perf_counter()
        model.predict_on_batch(face)
        took.append(1000 * (time.perf_counter() - started))
    return statistics.median(took)


def pack_up(path: Path, files: list[Path]) -> None:
    with whole_or_not(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)


def describe(trained: dict, parameters: int, formats: dict, cache: Cache) -> dict[str, Any]:
    """The model card: what a program or a person needs to use the files rightly."""
    return {
        "name": f"FER_CNN_{trained['name']}",
        "data": cache.read("source")["label"],
        "labels": dict(enumerate(EMOTIONS)),
        "input": PREPROCESSING,
        "output": "shape (N, 7), float32: the probability of each label, in the order of labels",
        "parameters": parameters,
        "formats": formats,
        "settings": {name: cache.entry(name)["settings"] for name in ("train_x", "model", "trained_model")},
        "epochs": len(cache.read("history")["loss"]),
        "metrics": cache.read("metrics")["splits"],
        "limits": LIMITS,
    }


def as_text(card: dict[str, Any]) -> str:
    """The model card as Markdown."""
    lines = [f"# {card['name']}", "", f"A facial-expression classifier. Data: **{card['data']}**.", ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| Input | {card['input']} |", f"| Output | {card['output']} |"]
    lines += ["| Labels | " + ", ".join(f"{number}={name}" for number, name in card["labels"].items()) + " |"]
    lines += [f"| Parameters | {card['parameters']:,} |", f"| Trained for | {card['epochs']} epochs |", ""]
    lines += ["## Measured (`python Performance.py`)", ""]
    lines += ["| split | faces | accuracy | 95% interval | macro-F1 |", "|---|---|---|---|---|"]
    for split, figures in card["metrics"].items():
        low, high = figures["accuracy_95"]
        accuracy = f"{figures['accuracy']:.2%} | {low:.2%} to {high:.2%}"
        lines.append(f"| {split} | {figures['faces']:,} | {accuracy} | {figures['macro_f1']:.3f} |")
    lines += ["", "## Files", ""]
    for name, facts in card["formats"].items():
        difference = f"differs from the trained network by at most {facts['largest_difference']:.1e}"
        lines.append(
            f"- `{name}`: {facts['bytes']:,} bytes; {difference}; one face in {facts['milliseconds']:.2f} ms"
        )
    lines += ["", "## Settings", "", "```json", json.dumps(card["settings"], indent=1), "```"]
    lines += ["", "## Limits", "", card["limits"], ""]
    return "\n".join(lines)


if __name__ == "__main__":
    run_step(main, Settings)
