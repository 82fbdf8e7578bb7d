"""The trained networks that ship in models/, each with a card that says what it is and its files' checksums."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.workflow.fingerprint import compute_sha256
from pipeline.workflow.steps import ROOT

MODELS_DIR = ROOT / "models"
MOST_ACCURATE_MODEL = MODELS_DIR / "Strong.tflite"  # these start without TensorFlow
FASTEST_MODEL = MODELS_DIR / "Compact.tflite"


def load_reference_faces() -> np.ndarray:
    """The faces in models/drawn_faces.png, two of each emotion, on which every card tells its network's answers.

    (14, 48, 48, 1) float32 in [0, 1].
    """
    with Image.open(MODELS_DIR / "drawn_faces.png") as strip:
        pixels = np.asarray(strip.convert("L"))
    faces = np.stack(np.split(pixels, pixels.shape[1] // pixels.shape[0], axis=1))
    return np.divide(faces, 255.0, dtype=np.float32)[..., np.newaxis]


def read_model_card(path: Path) -> dict[str, Any] | None:
    """The model card that lies beside a model's file under the same name, if there is one.

    Raises ValueError for one that is cut short.
    """
    card = path.with_suffix(".json")
    if not card.is_file():
        return None
    try:
        return json.loads(card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{card}, the card of {path.name}, cannot be read ({error}).") from error


def verify_checksum(path: Path) -> None:
    """Raise ValueError if a card beside the file gives it another checksum than it has."""
    told = (read_model_card(path) or {}).get("formats", {}).get(path.name, {}).get("sha256")
    if not told:
        return
    with open(path, "rb") as file:
        found = compute_sha256(file)
    if found != told:
        raise ValueError(
            f"{path} is not the file that {path.with_suffix('.json').name} describes: its SHA-256 is {found}, not "
            f"{told}. It was altered or cut short; take it from the repository again."
        )
