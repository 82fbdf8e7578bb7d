"""A Keras network as plain data and back, and what it answers; on any Keras backend.

    packed = {"name": str, "config": str (JSON), "weights": [arrays]}

Nothing of a network is pickled but its description and its numbers, so that the cache stays free of code.
"""

import sys
from typing import Any

from pipeline.quiet import without_chatter

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


def predict(model: keras.Model, faces: np.ndarray, batch_size: int = 512) -> np.ndarray:
    """Probabilities (N, 7) float32 for faces (N, 48, 48, 1) float32 in [0, 1]."""
    return model.predict(faces, batch_size=batch_size, verbose=0)
