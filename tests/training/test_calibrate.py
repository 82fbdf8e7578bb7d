"""Calibration of a trained network: folded into its last layer, and refused where that is not possible."""

import numpy as np
import pytest

from pipeline.evaluation.predict import predict_proba
from pipeline.models.backend import keras
from pipeline.training.calibrate import calibrate_model

PRIOR = np.array([0.1, 0.02, 0.1, 0.3, 0.15, 0.1, 0.23])


def build(activation: str = "softmax", use_bias: bool = True) -> keras.Model:
    keras.utils.set_random_seed(0)
    head = keras.layers.Dense(7, activation=activation, use_bias=use_bias)
    return keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), head])


def test_the_network_itself_then_predicts_what_the_calibration_gives(rng):
    model, faces = build(), rng.random((60, 48, 48, 1), np.float32)
    before = predict_proba(model, faces)
    calibration = calibrate_model(model, faces, np.eye(7)[rng.integers(0, 7, 60)], PRIOR)
    assert calibration.temperature != 1
    np.testing.assert_allclose(predict_proba(model, faces), calibration.apply(before), atol=1e-5)


@pytest.mark.parametrize("head", [{"activation": "sigmoid"}, {"use_bias": False}, {"activation": "linear"}])
def test_a_network_without_a_dense_softmax_head_is_refused(rng, head):
    with pytest.raises(ValueError, match="calibrate"):
        calibrate_model(build(**head), rng.random((7, 48, 48, 1), np.float32), np.eye(7), PRIOR)


def test_a_convolutional_head_is_refused(rng):
    layers = [
        keras.Input((48, 48, 1)),
        keras.layers.Conv2D(7, 48),
        keras.layers.Flatten(),
        keras.layers.Softmax(),
    ]
    with pytest.raises(ValueError, match="Softmax"):
        calibrate_model(keras.Sequential(layers), rng.random((7, 48, 48, 1), np.float32), np.eye(7), PRIOR)
