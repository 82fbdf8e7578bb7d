"""Step 13: save the trained network, for use elsewhere.

Writes results/FER_CNN_<network> in each of the formats asked for, loads it again in that format's own runtime and
compares its answers with the original's on the test faces; a file that answers differently is refused. Beside them a
model card (.md to read, .json for programs) with labels, preprocessing, checksums, the commands that lead to it and
metrics; all files and the card together in FER_CNN_<network>.zip.
Reads data/trained_model, history, metrics, train_x, test_x, test_y.
Run:    python Save_model.py
        python Save_model.py --formats keras litert litert_float16 litert_int8 onnx saved_model
        python Save_model.py --folder models --name Compact --formats keras litert
Expect: some seconds a format; float32 ones agree to six digits. pipeline/runtime.py runs what is saved.
"""

import json
import os
import platform
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.workflow.cli import run_step

import keras
import numpy as np
import pandas as pd

from pipeline.data.fer2013 import EMOTIONS
from pipeline.evaluation import predict
from pipeline.inference import export
from pipeline.models import model_zoo, serialization
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import atomic_write, write_json, write_text
from pipeline.workflow.steps import RESULTS, ROOT

PREPROCESSING = (
    "gray, 48x48 pixels, the face cut out closely, shape (N, 48, 48, 1). LiteRT, ONNX and SavedModel: uint8, 0 black "
    "to 255 white, as it is. .keras and .h5: float32, divided by 255.0"
)
LICENSES = (
    "These files: Apache-2.0. No picture is in them. FER2013's pictures were gathered by "
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
    formats: tuple[export.FormatName, ...] = ("keras", "h5", "litert")  # of FORMATS in pipeline/exports.py
    note: str = ""  # what else its card is to tell: how it was chosen, say
    calibration_faces: int = 500  # training faces from which litert_int8 takes its ranges


def main(settings: Settings, store: ArtifactStore) -> None:
    if not settings.formats or settings.calibration_faces < 1:
        raise ValueError("Nothing to save: name at least one of formats, and one calibration face.")
    trained = store.read("trained_model")
    faces, labels = store.read("test_x"), store.read("test_y").argmax(axis=1)
    model = serialization.unpack(trained)
    expected = predict.predict_proba(model, faces)
    calibration = as_bytes(store.read("train_x")[: settings.calibration_faces])

    stem = settings.name or f"FER_CNN_{trained['name']}"
    folder = ROOT / settings.folder
    formats, refused = {}, []
    for name in settings.formats:
        path = folder / (stem + export.FORMATS[name].ending)
        try:
            facts = export.export_checked(model, name, path, as_bytes(faces), labels, expected, calibration)
        except ImportError as error:
            print(f"  left out: {error}")
        except ValueError as error:
            refused.append(str(error))
        else:
            formats[path.name] = facts
    if not formats:
        raise ValueError("Nothing was saved. " + " ".join(refused))
    print(as_table(formats))

    card = describe(stem, settings.note, model, formats, store)
    write_json(folder / f"{stem}.json", card)
    write_text(folder / f"{stem}.md", as_text(card))
    write_json(RESULTS / "metrics.json", store.read("metrics") | {"exports": formats})
    print(f"  {shown(folder / stem)}.md and .json: the model card")
    if settings.folder == "results":
        pack_up(folder / f"{stem}.zip", [folder / name for name in (*formats, f"{stem}.json", f"{stem}.md")])
        print(f"  {shown(folder / stem)}.zip: all of it")
    if refused:
        raise ValueError("Not all was saved. " + " ".join(refused))


def as_bytes(faces: np.ndarray) -> np.ndarray:
    """Faces as they were before step 6 divided them by 255, uint8."""
    return np.rint(faces * 255).astype(np.uint8)


def as_table(formats: dict[str, dict[str, Any]]) -> str:
    table = pd.DataFrame(formats).T
    told = pd.DataFrame(
        {
            "MB": (table.bytes / 1e6).map("{:.2f}".format),
            "differs by": table.largest_difference.map("{:.0e}".format),
            "same answer": table.agreement.map("{:.2%}".format),
            "test": table.accuracy.map("{:.2%}".format),
            "one face, ms (99%)": [
                f"{median:.3f} ({slow:.3f})"
                for median, slow in zip(table.milliseconds, table.milliseconds_99, strict=True)
            ],
            "faces/s at 256": table.faces_per_second.map("{:,.0f}".format),
        }
    )
    return told.to_string()


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def pack_up(path: Path, files: list[Path]) -> None:
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            for inner in sorted(file.rglob("*")) if file.is_dir() else [file]:
                archive.write(inner, inner.relative_to(path.parent))


def describe(name: str, note: str, model: keras.Model, formats: dict, store: ArtifactStore) -> dict[str, Any]:
    """The model card: what a program or a person needs to use the files rightly."""
    metrics, history, source = store.read("metrics"), store.read("history"), store.read("source")
    return {
        "name": name,
        "network": metrics["network"],
        "data": source["label"],
        "is_sample": source["is_sample"],
        "labels": dict(enumerate(EMOTIONS)),
        "input": PREPROCESSING,
        "output": "shape (N, 7), float32: the probability of each label, in the order of labels",
        "formats": formats,
        "commands": commands(store),
        "settings": {name: store.entry(name)["settings"] for name in ("train_x", "model", "trained_model")},
        "epochs": len(history["loss"]),
        "seconds": round(sum(history["seconds"])),
        "machine": machine(),
        "note": note,
        "metrics": metrics["splits"],
        "tta": metrics["tta"],
        "drawn_faces": predict.predict_proba(model, model_zoo.load_reference_faces()).round(5).tolist(),
        "limits": LIMITS,
        "licenses": LICENSES,
    }


def commands(store: ArtifactStore) -> list[str]:
    """The commands that made the trained network, in order, with the flags that they were given."""
    steps = store.manifest()["steps"]
    scripts = [
        store.entry(name)["script"] for name in ("dataset", "train_x", "model", "trained_model", "metrics")
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
    if card["note"]:
        lines += [card["note"], ""]
    tta = f", mean over {card['views']} views of each face" if card["tta"] > 1 else ""
    lines += [f"## Measured (by `Performance.py`, the last command above{tta})", ""]
    lines += ["| split | faces | accuracy | 95% interval | macro-F1 |", "|---|---|---|---|---|"]
    for split, figures in card["metrics"].items():
        if split == "validation" and card["settings"]["train_x"].get("validation_too"):
            split = "validation, trained on as well"
        low, high = figures["accuracy_95"]
        accuracy = f"{figures['accuracy']:.2%} | {low:.2%} to {high:.2%}"
        lines.append(f"| {split} | {figures['faces']:,} | {accuracy} | {figures['macro_f1']:.3f} |")
    recalls = card["metrics"]["test"]["recall"]
    lines += ["", "Of the test faces of each emotion, recognized:", ""]
    lines += ["| " + " | ".join(recalls) + " |", "|---" * len(recalls) + "|"]
    lines += ["| " + " | ".join(f"{recall:.1%}" for recall in recalls.values()) + " |"]
    lines += ["", "## Files", ""]
    for name, facts in card["formats"].items():
        difference = f"differs from the trained network by at most {facts['largest_difference']:.1e}"
        one, many = f"{facts['milliseconds']:.3f} ms", f"{facts['faces_per_second']:,.0f} faces/s"
        speed = f"one face in {one}, {many} in batches of 256"
        right = f"right on {facts['accuracy']:.2%} of test"
        checksum = f"; SHA-256 `{facts['sha256']}`" if "sha256" in facts else ""
        lines.append(f"- `{name}`: {facts['bytes']:,} bytes; {difference}; {right}; {speed}{checksum}")
    lines += ["", "## Limits", "", card["limits"], "", "## Licenses", "", card["licenses"], ""]
    lines += ["## Settings", "", "```json", json.dumps(card["settings"], indent=1), "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    run_step(main, Settings)
