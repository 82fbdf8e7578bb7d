"""Find the trained models that ship in models/, read their model cards, and verify their checksums."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data.fer2013 import Emotions
from pipeline.data.pixels import to_float
from pipeline.workflow.fingerprint import compute_folder_sha256, compute_sha256
from pipeline.workflow.steps import ROOT

MODELS_DIR = ROOT / "models"
MAX_CARD_BYTES = 1 << 22  # a larger .json file is none
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
    """Read the model card beside a model's file or folder: a .json file of the same name, or one that lists it.

    Return None if there is none. Other .json files, such as a network's configuration, are no cards.

    Raises:
        ValueError: If a card is truncated.
    """
    cards = [(card_path, _read_card(card_path, path)) for card_path in _find_card_paths(path)]
    for card_path, card in cards:
        if card and (card_path == path.with_suffix(".json") or path.name in card["formats"]):
            return card
    return None


def read_card_labels(path: Path) -> Emotions:
    """Return the labels that the model card beside a file names, in the order of the outputs; empty without a card.

    Raises:
        ValueError: If the card is damaged.
    """
    labels = (read_model_card(path) or {}).get("labels", {})
    try:
        return tuple(str(labels[str(index)]) for index in range(len(labels)))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"The model card of {path} does not number its labels from 0. Save the model again with step 13."
        ) from error


def verify_checksum(path: Path) -> bool:
    """Raise ValueError if the model card beside a file or folder records another SHA-256 than it has.

    Returns:
        Whether a card records it; a file without a card, or that its card does not list, passes.
    """
    card = read_model_card(path)
    key = "folder_sha256" if path.is_dir() else "sha256"
    expected = card["formats"].get(path.name, {}).get(key) if card else None
    if not expected:
        return False
    if path.is_dir():
        actual = compute_folder_sha256(path)
    else:
        with open(path, "rb") as file:
            actual = compute_sha256(file)
    if actual != expected:
        raise ValueError(
            f"{path} does not match its model card: its SHA-256 is {actual}, but the card says {expected}. The file is "
            "corrupted or modified; restore it from the repository."
        )
    return True


def _find_card_paths(path: Path) -> list[Path]:
    """Return the .json files whose name is that of a model, or the beginning of it (_float16.tflite, _saved_model)."""
    try:
        files = [file for file in path.parent.iterdir() if file.suffix == ".json"]
    except OSError:
        return []
    files = [file for file in files if path.name.startswith(file.stem) and file.is_file()]
    return sorted(files, key=lambda file: len(file.stem), reverse=True)


def _read_card(card_path: Path, path: Path) -> dict[str, Any] | None:
    """Return the content of a .json file if it is a model card."""
    if card_path.stat().st_size > MAX_CARD_BYTES:
        return None
    try:
        text = card_path.read_text(encoding="utf-8")
        card = json.loads(text)
    except (ValueError, RecursionError) as error:
        is_cut = (
            isinstance(error, json.JSONDecodeError) and text.startswith("{") and error.msg != "Extra data"
        )
        if not is_cut:
            return None
        raise ValueError(
            f"{card_path}, the model card of {path.name}, is not valid JSON ({error}). Save the model again with step "
            "13, or restore the card from the repository."
        ) from error
    is_card = isinstance(card, dict) and isinstance(card.get("formats"), dict)
    return card if is_card and all(isinstance(facts, dict) for facts in card["formats"].values()) else None
