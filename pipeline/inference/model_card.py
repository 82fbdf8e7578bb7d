"""Describe a trained model in a model card: as data for programs, and as Markdown for people."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import jinja2

from pipeline.data.fer2013 import is_fer2013
from pipeline.evaluation.predict import predict_proba
from pipeline.models import model_zoo, serialization
from pipeline.models.backend import keras
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.formatting import format_command
from pipeline.workflow.steps import ROOT

TEMPLATE = Path(__file__).with_name("templates") / "model_card.md"
CARD_ARTIFACTS = (
    "dataset",
    "train_x",
    "model",
    "trained_model",
    "metrics",
)  # whose commands lead to the model

INPUT = (
    "Grayscale faces of 48x48 pixels, cropped closely, shape (N, 48, 48, 1). LiteRT, ONNX and SavedModel: uint8 from 0 "
    "(black) to 255 (white). .keras and .h5: float32 in [0, 1], which is uint8 divided by 255."
)
OUTPUT = "Probabilities of the labels, in their order, shape (N, {n_emotions}), float32."
LIMITS = "The labels describe how a face looks to other people, not what the person feels."
FER2013_LIMITS = (
    "Human agreement with FER2013's labels is 65% ± 5% (Goodfellow et al., 2013). "
    "Disgust is rare in the data."
)
LICENSES = "These files: Apache-2.0. They contain no images."
FER2013_LICENSES = (
    "The images of FER2013 were collected by P.-L. Carrier and A. Courville with a web search for the ICML 2013 "
    "contest; they belong to their owners and are distributed for research."
)


def build_model_card(
    name: str, note: str, model: keras.Model, formats: dict[str, dict[str, Any]], store: ArtifactStore
) -> dict[str, Any]:
    """Collect what a program or a person needs to use the model files correctly and to reproduce them.

    Args:
        name: Name of the files, without suffix.
        note: Free text, such as how the model was chosen.
        model: The trained network.
        formats: File name -> the measurements of pipeline.inference.export.
        store: The artifacts of steps 2 to 9.
    """
    metrics, history, source = store.read("metrics"), store.read("history"), store.read("source", track=False)
    emotions = store.read("emotions")
    return {
        "name": name,
        "network": metrics["network"],
        "data": source["label"],
        "is_sample": source["is_sample"],
        "labels": {str(index): emotion for index, emotion in enumerate(emotions)},
        "input": INPUT,
        "output": OUTPUT.format(n_emotions=len(emotions)),
        "lowest_keras": serialization.LOWEST_KERAS,
        "formats": formats,
        "commands": list_commands(store),
        "settings": {name: store.entry(name)["settings"] for name in ("train_x", "model", "trained_model")},
        "epochs": len(history["loss"]),
        "seconds": round(sum(history["seconds"])),
        "machine": describe_machine(),
        "note": note,
        "metrics": metrics["splits"],
        "tta": metrics["tta"],
        "reference_predictions": predict_proba(model, model_zoo.load_reference_faces()).round(5).tolist(),
    } | describe_data(source["label"])


def describe_data(label: str) -> dict[str, str]:
    """Return what a model card says about the limits and licenses of a data set with this label."""
    if is_fer2013(label):
        return {"limits": f"{LIMITS} {FER2013_LIMITS}", "licenses": f"{LICENSES} {FER2013_LICENSES}"}
    return {"limits": LIMITS, "licenses": LICENSES}


def render_model_card(card: dict[str, Any]) -> str:
    """Render a model card as Markdown."""
    environment = jinja2.Environment(  # not HTML, so nothing is to be escaped
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["percent"] = lambda fraction, digits=2: f"{fraction:.{digits}%}"
    environment.filters["to_json"] = lambda value: json.dumps(value, indent=1)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(card)


def list_commands(store: ArtifactStore) -> list[str]:
    """List the commands that made the trained model, in order, with their flags."""
    steps = store.manifest()["steps"]
    scripts = [store.entry(name)["script"] for name in CARD_ARTIFACTS]
    return [
        format_command(script, map(shorten_path, steps[script]["arguments"]))
        for script in scripts
        if script in steps
    ]


def shorten_path(argument: str) -> str:
    """Return an absolute path relative to the project or, from outside, without folders: others read the card."""
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def describe_machine() -> str:
    """Describe the machine and the software in one line."""
    software = f"Keras {keras.__version__} on {keras.backend.backend()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processor cores ({platform.machine()}), {software}"
