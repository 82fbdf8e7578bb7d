"""Find the trained models that ship in models/, read their model cards, and verify their checksums."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.pixels import to_float
from pipeline.workflow.fingerprint import compute_sha256
from pipeline.workflow.steps import ROOT

MODELS_DIR = ROOT / "models"
REFERENCE_FACES = MODELS_DIR / "reference_faces.png"
DEFAULT_MODEL = (
    MODELS_DIR / "Compact_votes.tflite"
)  # for new faces; LiteRT files run without importing TensorFlow


def load_reference_faces() -> np.ndarray:
    """Load the synthetic faces whose predictions every model card records: (14, 48, 48, 1) float32 in [0, 1].

    There are two faces of each emotion, in the order of EMOTIONS.
    """
    with Image.open(REFERENCE_FACES) as strip:
        pixels = np.asarray(strip.convert("L"))
    faces = np.stack(np.split(pixels, pixels.shape[1] // pixels.shape[0], axis=1))
    return to_float(faces[..., np.newaxis])


def read_model_card(path: Path) -> dict[str, Any] | None:
    """Read the model card beside a model file: the .json file of the same name. Return None if there is none.

    Raises:
        ValueError: If the card is not valid JSON.
    """
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        return None
    try:
        return json.loads(card_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{card_path}, the model card of {path.name}, is not valid JSON ({error}). Save the model again with step "
            "13, or restore the card from the repository."
        ) from error


def verify_checksum(path: Path) -> None:
    """Raise ValueError if the model card beside a file records another SHA-256 than the file has.

    A file without a card, or that its card does not list, passes.
    """
    expected = (read_model_card(path) or {}).get("formats", {}).get(path.name, {}).get("sha256")
    if not expected:
        return
    with open(path, "rb") as file:
        actual = compute_sha256(file)
    if actual != expected:
        raise ValueError(
            f"{path} does not match its model card {path.with_suffix('.json').name}: its SHA-256 is {actual}, but the "
            f"card says {expected}. The file is corrupted or modified; restore it from the repository."
        )
