"""Calibrate a trained network on the validation split, by changing the weights of its last layer only."""

import numpy as np

from pipeline.evaluation.calibration import Calibration, fit_calibration
from pipeline.evaluation.predict import predict_proba
from pipeline.models.backend import keras
from pipeline.models.serialization import PackedModel, unpack
from pipeline.workflow.artifacts import ArtifactStore


def calibrate_model(
    model: keras.Model, faces: np.ndarray, targets: np.ndarray, prior: np.ndarray
) -> Calibration:
    """Fit prior adjustment and temperature on the validation split, and fold both into the last layer.

    Both are fitted to the most probable class of each target, on the faces that have a single one: confidence is then
    the probability of being right about the label or the voters' majority.

    Args:
        model: Network that ends in a dense layer with softmax; changed in place.
        faces: Validation faces (N, 48, 48, 1) float32 in [0, 1].
        targets: Their targets (N, K): one-hot labels or shares of votes.
        prior: (K,), mean of the targets of the training split.

    Raises:
        ValueError: If the network ends otherwise.
    """
    head = get_head(model)
    second, first = np.sort(targets, axis=1)[:, -2:].T
    is_clear = first > second
    calibration = fit_calibration(
        predict_proba(model, faces[is_clear]), targets[is_clear].argmax(axis=1), prior
    )
    head.set_weights(calibration.fold(*head.get_weights()))
    return calibration


def calibrate_packed(packed: PackedModel, store: ArtifactStore) -> PackedModel:
    """Return a trained network with calibrated weights, and how they were calibrated under "calibration".

    Raises:
        ValueError: If the network was trained on the validation split, so that nothing is left to calibrate on.
    """
    if store.entry("train_x")["settings"].get("train_on_validation"):
        raise ValueError(
            "calibrate needs a validation split that is not trained on. Run step 6 without --train-on-validation."
        )
    model = unpack(packed)
    prior = store.read("train_y").mean(axis=0)
    calibration = calibrate_model(model, store.read("val_x"), store.read("val_y"), prior)
    print(
        f"  Calibrated on validation: prior exponent {calibration.exponent:.2f}, temperature "
        f"{calibration.temperature:.3f}"
    )
    return packed | {"weights": model.get_weights(), "calibration": calibration.to_dict()}


def check_head(model: keras.Model, calibrate: bool) -> None:
    """Raise ValueError, before hours of training rather than after, if a network to calibrate has no suitable head."""
    if calibrate:
        get_head(model)


def get_head(model: keras.Model) -> keras.layers.Dense:
    """Return the last layer; raise ValueError unless it is a dense layer with bias and softmax."""
    head = model.layers[-1]
    if (
        not isinstance(head, keras.layers.Dense)
        or head.activation is not keras.activations.softmax
        or not head.use_bias
    ):
        raise ValueError(
            f"calibrate needs a network whose last layer is Dense with bias and softmax; that of {model.name} is "
            f"{type(head).__name__}. Set calibrate to False."
        )
    return head
