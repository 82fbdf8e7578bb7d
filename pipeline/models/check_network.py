"""Check that a network of step 7 meets the requirements of steps 8 to 13.

- One input, a batch of faces (N, 48, 48, 1) float32, and one output, their probabilities (N, K) float32: rows sum to 1.
  K is the number of emotions, seven by default.
- A face's probabilities depend on that face only, not on the others of the batch and not on chance.
- Functional or Sequential, of Keras's own layers and functions: each step is a process of its own, which restores the
  network from its configuration and weights, without the script that built it.
- Names of ASCII letters, digits and _.-, as TensorFlow requires; the network's name is also part of file names.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.data.fer2013 import EMOTIONS
from pipeline.models import serialization
from pipeline.models.backend import keras

VALID_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
N_RANDOM_FACES = 14
MAX_SUM_ERROR = 1e-3  # of a face's probabilities
MAX_DIFFERENCE = 1e-4  # between two predictions of a face, which differ by rounding


def check_network(
    model: Any, face_shape: tuple[int, int, int], n_emotions: int = len(EMOTIONS)
) -> serialization.PackedModel:
    """Return the network as plain data, after restoring it from that and comparing the predictions.

    Args:
        model: What a script's `build` has returned. A Sequential without an Input is built for `face_shape`.
        face_shape: (height, width, channels)
        n_emotions: Number of outputs.

    Raises:
        ValueError: If the network does not meet a requirement of the steps that follow.
    """
    _check_type(model)
    if not model.built:
        model.build((None, *face_shape))
    _check_names(model)
    _check_shapes(model, face_shape, n_emotions)
    if not model.trainable_weights:
        raise ValueError(f"{model.name} has no trainable weights, so step 8 has nothing to train.")
    packed = serialization.pack(model)
    _check_classes(json.loads(packed["config"]))
    faces = _make_faces(face_shape)
    probabilities = _predict(model, faces)
    _check_probabilities(model, faces, probabilities)
    _check_restored(packed, faces, probabilities)
    return packed


def _check_type(model: Any) -> None:
    if not isinstance(model, keras.Model):
        hint = " End it with: return model." if model is None else ""
        raise ValueError(f"build() returned {type(model).__name__}, but must return a keras.Model.{hint}")
    if not _is_part_of_keras(type(model).__module__):
        raise ValueError(
            f"build() returned a {type(model).__name__}, a subclass of keras.Model, which the next steps cannot "
            "restore without your code. Build a keras.Sequential or a functional keras.Model(inputs, outputs)."
        )


def _check_names(model: keras.Model) -> None:
    for layer in model._flatten_layers():  # the network itself is the first
        if not VALID_NAME.fullmatch(layer.name):
            raise ValueError(
                f"The {'network' if layer is model else 'layer'} {layer.name!r} must have another name. TensorFlow and "
                "file names allow ASCII letters, digits and _.- only, the first a letter or digit, at most 100."
            )


def _check_shapes(model: keras.Model, face_shape: tuple[int, int, int], n_emotions: int) -> None:
    for role, tensors, shape in (
        ("input", model.inputs, (None, *face_shape)),
        ("output", model.outputs, (None, n_emotions)),
    ):
        if len(tensors) != 1:
            raise ValueError(f"{model.name} has {len(tensors)} {role}s, but must have one, of shape {shape}.")
        if tensors[0].shape != shape or tensors[0].dtype != "float32":
            raise ValueError(
                f"The {role} of {model.name} is {tensors[0].dtype} of shape {tensors[0].shape}, but must be float32 of "
                f"shape {shape}.{_suggest_layer(role, tensors[0].shape, n_emotions)}"
            )


def _suggest_layer(role: str, shape: tuple[int | None, ...], n_emotions: int) -> str:
    if role == "input":
        return " Write: keras.Input(face_shape)."
    if len(shape) > 2:
        return " Add Flatten() or GlobalAveragePooling2D() before the last Dense layer."
    return f' End with: Dense({n_emotions}, activation="softmax").'


def _check_classes(config: dict[str, Any]) -> None:
    """Raise ValueError for a class or function in a configuration that is not one of Keras's own, or holds code."""
    for entry in _iterate_entries(config):
        class_name = entry.get("class_name")
        is_lambda = entry.keys() == {"value"} and isinstance(
            entry["value"], list
        )  # as Keras writes an activation
        if is_lambda or class_name in ("Lambda", "__lambda__"):
            raise ValueError(
                f"{config['config']['name']} has a Lambda layer or a lambda. A saved network must not hold code; write "
                "the operation in build() with keras.ops, such as x = keras.ops.sqrt(x), or use a layer of Keras."
            )
        if class_name and "module" in entry and not _is_part_of_keras(entry["module"]):
            own_name = entry["config"] if class_name == "function" else class_name
            raise ValueError(
                f"{config['config']['name']} uses {own_name}, which is not part of Keras. Custom layers and functions "
                "are not supported, registered ones neither: the next steps restore the network without your script. "
                "Compose it of Keras's layers and keras.ops."
            )


def _is_part_of_keras(module: str | None) -> bool:
    """Return whether a module is one of Keras; a configuration has None for the module of a registered class."""
    return module is not None and module.partition(".")[0] == "keras"


def _iterate_entries(config: Any) -> Iterator[dict[str, Any]]:
    """Yield each dictionary in a nested configuration."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _iterate_entries(value)


def _make_faces(face_shape: tuple[int, int, int]) -> np.ndarray:
    """Return random faces and a black and a white one, float32 in [0, 1]."""
    random = np.random.default_rng(0).random((N_RANDOM_FACES, *face_shape), np.float32)
    return np.concatenate([random, np.zeros((1, *face_shape)), np.ones((1, *face_shape))]).astype(np.float32)


def _predict(model: keras.Model, faces: np.ndarray) -> np.ndarray:
    output = model(faces, training=False)
    if isinstance(output, dict | list | tuple):
        raise ValueError(
            f"{model.name} returns a {type(output).__name__}, but must return a tensor. Write: "
            "keras.Model(faces, emotion), both of them tensors."
        )
    return keras.ops.convert_to_numpy(output)


def _check_probabilities(model: keras.Model, faces: np.ndarray, probabilities: np.ndarray) -> None:
    sums, n_emotions = probabilities.sum(axis=1), probabilities.shape[1]
    if not np.all(np.abs(sums - 1) < MAX_SUM_ERROR) or probabilities.min() < 0:  # NaN fails too
        raise ValueError(
            f"{model.name} returns {np.array2string(probabilities[0], precision=2)} for a random face. These must be "
            f'probabilities: from 0 to 1, with a sum of 1. End with: Dense({n_emotions}, activation="softmax").'
        )
    half = len(faces) // 2
    if not np.abs(_predict(model, faces[:half]) - probabilities[:half]).max() <= MAX_DIFFERENCE:
        raise ValueError(
            f"{model.name} returns other probabilities for the same face in another batch. An operation is random or "
            "works across the faces of a batch, axis 0."
        )


def _check_restored(packed: serialization.PackedModel, faces: np.ndarray, expected: np.ndarray) -> None:
    try:
        restored = _predict(serialization.unpack(packed), faces)
    except Exception as error:  # Keras raises many types of error for a configuration that it cannot restore
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{packed['name']} cannot be restored from its configuration: {reason}") from error
    if not np.abs(restored - expected).max() <= MAX_DIFFERENCE:
        raise ValueError(
            f"{packed['name']}, restored from its configuration and weights, returns other probabilities than before. "
            "A value that build() passed to a layer is missing from the layer's get_config()."
        )
