"""The trained networks that ship in models/, each with a card that says what it is and its files' checksums."""

import json
from pathlib import Path
from typing import Any

from pipeline.files import sha256_of
from pipeline.steps import ROOT

import numpy as np
from PIL import Image

MODELS = ROOT / "models"
BEST = MODELS / "Strong.tflite"  # these start without TensorFlow
QUICK = MODELS / "Compact.tflite"


def drawn_faces() -> np.ndarray:
    """The faces in models/drawn_faces.png, two of each emotion, on which every card tells its network's answers.

    (14, 48, 48, 1) float32 in [0, 1].
    """
    with Image.open(MODELS / "drawn_faces.png") as strip:
        pixels = np.asarray(strip.convert("L"))
    faces = np.stack(np.split(pixels, pixels.shape[1] // pixels.shape[0], axis=1))
    return np.divide(faces, 255.0, dtype=np.float32)[..., np.newaxis]


def card_of(path: Path) -> dict[str, Any] | None:
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


def verify(path: Path) -> None:
    """Raise ValueError if a card beside the file gives it another checksum than it has."""
    told = (card_of(path) or {}).get("formats", {}).get(path.name, {}).get("sha256")
    if not told:
        return
    with open(path, "rb") as file:
        found = sha256_of(file)
    if found != told:
        raise ValueError(
            f"{path} is not the file that {path.with_suffix('.json').name} describes: its SHA-256 is {found}, not "
            f"{told}. It was altered or cut short; take it from the repository again."
        )
