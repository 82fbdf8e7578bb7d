"""Read the names of a network's outputs, its labels, from the file in which step 13 saved it."""

import json
import zipfile
from pathlib import Path

from pipeline.data.emotions import standardize_name
from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.models import model_zoo

LABELS_FILE = "labels.txt"  # a label a line, in a LiteRT file and a SavedModel
METADATA_FILE, METADATA_KEY = "metadata.json", "labels"  # in a .keras file; an .h5 file has an attribute
SAVED_MODEL_ASSETS = "assets.extra"
MAX_LABELS_BYTES = 10_000


def format_labels(emotions: Emotions) -> str:
    """Return the content of a file of labels."""
    return "".join(f"{name}\n" for name in emotions)


def read_litert_labels(path: Path) -> Emotions:
    """Return the labels of a LiteRT file, of the archive at its end; empty if it has none."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(LABELS_FILE) as file:
            return _parse_labels(file.read(MAX_LABELS_BYTES))
    except (zipfile.BadZipFile, KeyError):
        return ()


def read_saved_model_labels(path: Path) -> Emotions:
    """Return the labels of a SavedModel; empty if it has none."""
    file = path / SAVED_MODEL_ASSETS / LABELS_FILE
    return _parse_labels(file.read_bytes()) if file.is_file() else ()


def read_keras_labels(path: Path) -> Emotions:
    """Return the labels of a .keras or .h5 file that Keras can load; empty if it has none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            labels = json.loads(archive.read(METADATA_FILE)).get(METADATA_KEY, [])
    else:
        import h5py

        with h5py.File(path) as file:
            labels = file.attrs.get(METADATA_KEY, [])
    return tuple(map(standardize_name, map(str, labels)))


def check_labels(path: Path, emotions: Emotions) -> None:
    """Raise ValueError unless a .keras or .h5 file that Keras can load predicts these emotions, in this order.

    A file whose labels neither it nor a model card names is taken to predict FER2013's seven.
    """
    labels = read_keras_labels(path) or model_zoo.read_card_labels(path) or EMOTIONS
    if labels != emotions:
        raise ValueError(
            f"{path} predicts {', '.join(labels)}, but the data set has {', '.join(emotions)}. Use a network of the "
            "same emotions, or load the data set with its --emotions."
        )


def _parse_labels(content: bytes) -> Emotions:
    return tuple(map(standardize_name, filter(None, content.decode("utf-8", "replace").splitlines())))
