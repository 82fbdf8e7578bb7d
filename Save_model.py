"""Step 13: save the trained network, for use elsewhere.

Writes results/FER_CNN_<network>.keras and .h5, loads each again and compares its answers with the original's on
test faces; a file that answers differently is refused. Beside them a model card (.md to read, .json for
programs) with labels, preprocessing, checksums, the commands that lead to it and metrics; all of it together in
FER_CNN_<network>.zip.
Reads data/trained_model, history, metrics, test_x.
Run:    python Save_model.py
        python Save_model.py --folder models --name Compact --no-h5-format --no-zip-format
Expect: two files of 0.7 MB that agree with the original to the last digit.
"""

import json
import os
import platform
import shlex
import statistics
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import network, shipped
from pipeline.cache import Cache
from pipeline.cli import run_step
from pipeline.dataset import EMOTIONS
from pipeline.files import sha256_of, whole_or_not, write_json, write_text
from pipeline.steps import ROOT

import keras
import numpy as np

PREPROCESSING = (
    "grey, 48x48 pixels, the face cut out closely; divide 0..255 by 255.0; shape (N, 48, 48, 1), float32"
)
LICENCES = (
    "These files: Apache-2.0. No picture is in them or can be got out of them. FER2013's pictures were gathered by "
    "P.-L. Carrier and A. Courville from a web search for the ICML 2013 contest; they belong to their makers and are "
    "handed out for research."
)
LIMITS = (
    "The labels name how a face looks to others, not what its owner feels. People name the same emotion as "
    "FER2013's label for 65 faces of 100, give or take 5 (Goodfellow et al., 2013). Disgust is rare in the data."
)


@dataclass
class Settings:
    folder: str = "results"  # where to: results, or models for those that ship with the project
    name: str = ""  # of the files; "": FER_CNN_<network>
    keras_format: bool = True  # .keras, Keras 3's own
    h5_format: bool = True  # .h5, which Keras 2 and older tools read
    zip_format: bool = True  # all files and the card in one
    compared_faces: int = 1000  # test faces on which each file must answer as the original does
    tolerance: float = 1e-5  # largest difference of probabilities that is let pass


def main(settings: Settings, cache: Cache) -> None:
    if settings.compared_faces < 1 or not settings.tolerance >= 0:
        raise ValueError("compared_faces must be at least 1, and tolerance not below 0.")
    trained = cache.read("trained_model")
    faces = cache.read("test_x")[: settings.compared_faces]
    model = network.unpack(trained)
    expected = network.predict(model, faces)

    stem = settings.name or f"FER_CNN_{trained['name']}"
    folder = ROOT / settings.folder
    endings = [".keras"] * settings.keras_format + [".h5"] * settings.h5_format
    if not endings:
        raise ValueError("Nothing to save: set keras_format or h5_format to True.")
    formats = {}
    for ending in endings:
        path = folder / (stem + ending)
        facts = save_checked(model, path, faces, expected, settings.tolerance)
        told = f"differs by {facts['largest_difference']:.1e} at most, one face in {facts['milliseconds']:.2f} ms"
        print(f"  {shown(path)}: {facts['bytes'] / 1e6:.2f} MB, {told}")
        formats[path.name] = facts

    card = describe(stem, trained, model, formats, cache)
    write_json(folder / f"{stem}.json", card)
    write_text(folder / f"{stem}.md", as_text(card))
    print(f"  {shown(folder / stem)}.md and .json: the model card")
    if settings.zip_format:
        pack_up(folder / f"{stem}.zip", [folder / name for name in (*formats, f"{stem}.json", f"{stem}.md")])
        print(f"  {shown(folder / stem)}.zip: all of it")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


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
        milliseconds = time_one(loaded, faces[:1])
        facts = {
            "bytes": unfinished.stat().st_size,
            "largest_difference": difference,
            "milliseconds": milliseconds,
        }
        with open(unfinished, "rb") as file:
            return facts | {"sha256": sha256_of(file)}


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


def describe(name: str, trained: dict, model: keras.Model, formats: dict, cache: Cache) -> dict[str, Any]:
    """The model card: what a program or a person needs to use the files rightly."""
    metrics, history, source = cache.read("metrics"), cache.read("history"), cache.read("source")
    return {
        "name": name,
        "network": metrics["network"],
        "data": source["label"],
        "is_sample": source["is_sample"],
        "labels": dict(enumerate(EMOTIONS)),
        "input": PREPROCESSING,
        "output": "shape (N, 7), float32: the probability of each label, in the order of labels",
        "formats": formats,
        "commands": commands(cache),
        "settings": {name: cache.entry(name)["settings"] for name in ("train_x", "model", "trained_model")},
        "epochs": len(history["loss"]),
        "seconds": round(sum(history["seconds"])),
        "machine": machine(),
        "metrics": metrics["splits"],
        "views": metrics["views"],
        "drawn_faces": network.predict(model, shipped.drawn_faces()).round(5).tolist(),
        "limits": LIMITS,
        "licences": LICENCES,
    }


def commands(cache: Cache) -> list[str]:
    """The commands that made the trained network, in order, with the flags that they were given."""
    steps = cache.manifest()["steps"]
    scripts = [
        cache.entry(name)["script"] for name in ("dataset", "train_x", "model", "trained_model", "metrics")
    ]
    return [
        shlex.join(["python", script, *steps[script]["arguments"]]) for script in scripts if script in steps
    ]


def machine() -> str:
    """What computed, in a line."""
    computed = f"Keras {keras.__version__} on {keras.backend.backend()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processor cores ({platform.machine()}), {computed}"


def as_text(card: dict[str, Any]) -> str:
    """The model card as Markdown."""
    size = card["network"]
    lines = [f"# {card['name']}", "", f"A facial-expression classifier. Data: **{card['data']}**.", ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| Input | {card['input']} |", f"| Output | {card['output']} |"]
    lines += ["| Labels | " + ", ".join(f"{number}={name}" for number, name in card["labels"].items()) + " |"]
    lines += [
        f"| Network | {size['name']}: {size['parameters']:,} parameters, {size['multiply_adds'] / 1e6:.1f} million "
        "multiply-adds a face |",
        f"| Trained | {card['epochs']} epochs in {card['seconds'] / 60:.0f} minutes, on {card['machine']} |",
        f"| Seed | {card['settings']['trained_model']['seed']} |",
    ]
    lines += ["", "## How it was made", "", "```", *card["commands"], "```", ""]
    views = f", mean over {card['views']} views of each face" if card["views"] > 1 else ""
    lines += [f"## Measured (by `Performance.py`, the last command above{views})", ""]
    lines += ["| split | faces | accuracy | 95% interval | macro-F1 |", "|---|---|---|---|---|"]
    for split, figures in card["metrics"].items():
        low, high = figures["accuracy_95"]
        accuracy = f"{figures['accuracy']:.2%} | {low:.2%} to {high:.2%}"
        lines.append(f"| {split} | {figures['faces']:,} | {accuracy} | {figures['macro_f1']:.3f} |")
    recalls = card["metrics"]["test"]["recall"]
    lines += ["", "Of the test faces of each emotion, recognised:", ""]
    lines += ["| " + " | ".join(recalls) + " |", "|---" * len(recalls) + "|"]
    lines += ["| " + " | ".join(f"{recall:.1%}" for recall in recalls.values()) + " |"]
    lines += ["", "## Files", ""]
    for name, facts in card["formats"].items():
        difference = f"differs from the trained network by at most {facts['largest_difference']:.1e}"
        lines.append(
            f"- `{name}`: {facts['bytes']:,} bytes; {difference}; one face in {facts['milliseconds']:.2f} ms; "
            f"SHA-256 `{facts['sha256']}`"
        )
    lines += ["", "## Limits", "", card["limits"], "", "## Licences", "", card["licences"], ""]
    lines += ["## Settings", "", "```json", json.dumps(card["settings"], indent=1), "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    run_step(main, Settings)
