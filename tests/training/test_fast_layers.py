"""build_fast_copy: same training as the original, whose batch normalization is Keras's own."""

import numpy as np
import pytest
from helpers import assert_same_bits

from pipeline.models.backend import keras
from pipeline.models.residual import build_residual_network
from pipeline.training.fast_layers import FusedBatchNormalization, build_fast_copy


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_residual_network("small", (16, 16, 1), filters=(4, 6), blocks=(1, 1), dropout=0.0)


@pytest.mark.slow
def test_fast_copy_trains_like_the_original(network, rng):
    copy = build_fast_copy(network, "float32")
    assert any(isinstance(layer, FusedBatchNormalization) for layer in copy.layers)
    assert_same_bits(copy.get_weights(), network.get_weights())
    faces = rng.random((64, 16, 16, 1), np.float32)
    targets = np.eye(7, dtype=np.float32)[rng.integers(0, 7, 64)]
    for model in (network, copy):
        model.compile(keras.optimizers.SGD(0.05), loss="categorical_crossentropy", jit_compile=False)
        model.fit(faces, targets, batch_size=32, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(copy.predict(faces, verbose=0), network.predict(faces, verbose=0), atol=2e-3)
    for fused, original in zip(copy.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(fused, original, atol=2e-3)


def test_mixed_precision_copy_predicts_nearly_the_same_in_float32(network, rng):
    copy = build_fast_copy(network, "mixed_bfloat16")
    assert {layer.compute_dtype for layer in copy.layers if layer.weights} == {"bfloat16", "float32"}
    faces = rng.random((8, 16, 16, 1), np.float32)
    probabilities = keras.ops.convert_to_numpy(copy(faces, training=False))
    expected = keras.ops.convert_to_numpy(network(faces, training=False))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=0.02)
    assert all(weight.dtype == np.float32 for weight in copy.get_weights())
