"""A Keras network as plain data and back, and what it answers; on any Keras backend.

    packed = {"name": str, "config": str (JSON), "weights": [arrays]}

Nothing of a network is pickled but its description and its numbers, so that the cache stays free of code.
"""

import math
import sys
import zipfile
from pathlib import Path
from typing import Any

from pipeline import shipped
from pipeline.quiet import without_chatter
from pipeline.views import mean_over_views

import numpy as np

try:
    with without_chatter():
        import keras
except ValueError as error:
    sys.exit(f"Keras cannot start: {error} KERAS_BACKEND can be tensorflow, jax or torch.")

Packed = dict[str, Any]


def pack(model: keras.Model) -> Packed:
    """A network's layers and weights as plain data."""
    return {"name": model.name, "config": model.to_json(), "weights": model.get_weights()}


def unpack(packed: Packed) -> keras.Model:
    """The network, not compiled, from what `pack` made of it."""
    model = keras.models.model_from_json(packed["config"])
    model.set_weights(packed["weights"])
    return model


def load(path: str | Path) -> keras.Model:
    """The network in a .keras file, not compiled.

    A file that a model card names beside it must have the card's checksum. Raises ValueError for a file that is altered
    or is no network, FileNotFoundError where there is none.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there. It should be a model that step 13 saved, or one from models/."
        )
    shipped.verify(path)
    refuse_bombs(path)
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever its reading of a foreign file runs into
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is no model that Keras can load: {reason}") from error


def refuse_bombs(path: Path) -> None:
    """Raise ValueError for an archive that unpacks to more than a gigabyte and ten times its own size."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(LARGEST_ARCHIVE, 10 * path.stat().st_size):
        raise ValueError(
            f"{path} would unpack to {unpacked / 1e9:.1f} GB, so it is not opened. It is no model of ours."
        )


def backbones(model: keras.Model) -> list[keras.Model]:
    """The networks that are layers of this network."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


LARGEST_ARCHIVE = 1 << 30  # bytes, unpacked that small files may come to; weights hardly compress


def predict(model: keras.Model, faces: np.ndarray, batch_size: int = 512, views: int = 1) -> np.ndarray:
    """Probabilities (N, 7) float32 for faces (N, 48, 48, 1) float32 in [0, 1].

    views: how many variants of each face are averaged over, as `pipeline.views` has them.
    """

    def answer(view: np.ndarray) -> np.ndarray:
        # `model.predict` would set up a data pipeline first, in the time of a thousand faces.
        starts = range(0, len(view), batch_size)
        return np.concatenate([model.predict_on_batch(view[start : start + batch_size]) for start in starts])

    return mean_over_views(answer, faces, views)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications with a weight that one face costs, in convolutions and dense layers."""
    total = 0
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            total += math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            places = math.prod(layer.output.shape[1:-1])
            total += places * math.prod(layer.kernel.shape)
    return total
