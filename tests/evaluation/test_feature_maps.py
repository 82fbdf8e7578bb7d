"""What the layers of a network compute from a face, also within a network that is a layer."""

import numpy as np
import pytest

from pipeline.evaluation.feature_maps import collect_layer_outputs, find_first_filters, select_layers
from pipeline.models.backend import keras

layers = keras.layers


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    faces = keras.Input((6, 6, 1))
    x = layers.Conv2D(2, 3, use_bias=False, name="convolution")(faces)
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(faces, layers.ReLU(name="relu")(x), name="backbone")


@pytest.fixture(scope="module")
def model(backbone) -> keras.Model:
    parts = [
        backbone,
        layers.GlobalAveragePooling2D(name="mean"),
        layers.Dense(7, activation="softmax", name="emotion"),
    ]
    return keras.Sequential([keras.Input((6, 6, 1)), *parts])


def test_outputs_are_those_of_each_layer_in_the_order_of_computation(model, backbone, rng):
    kernel = rng.normal(size=(3, 3, 1, 2)).astype(np.float32)
    backbone.get_layer("convolution").set_weights([kernel])
    faces = rng.random((2, 6, 6, 1)).astype(np.float32)
    outputs = collect_layer_outputs(model, faces)
    assert [layer.name for layer, _ in outputs] == ["convolution", "norm", "relu", "mean", "emotion"]
    values = {layer.name: value for layer, value in outputs}
    windows = np.lib.stride_tricks.sliding_window_view(faces[..., 0], (3, 3), axis=(1, 2))
    np.testing.assert_allclose(
        values["convolution"], np.einsum("nyxij,ijf->nyxf", windows, kernel[:, :, 0]), atol=1e-5
    )
    assert values["relu"].min() >= 0
    np.testing.assert_allclose(values["mean"], values["relu"].mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(values["emotion"], model.predict_on_batch(faces), atol=1e-6)
    assert len(collect_layer_outputs(model, faces)) == 5, "the layers are as they were"
    assert np.array_equal(find_first_filters(outputs), kernel.sum(axis=2))


def test_layers_with_an_activation_and_poolings_are_shown_evenly_spaced_and_the_last(model, rng):
    outputs = collect_layer_outputs(model, rng.random((1, 6, 6, 1)).astype(np.float32))
    assert [layer.name for layer, _ in select_layers(outputs, 8)] == ["relu", "mean", "emotion"]
    assert [layer.name for layer, _ in select_layers(outputs, 2)] == ["relu", "emotion"]
    assert [layer.name for layer, _ in select_layers(outputs[:2], 8)] == ["convolution", "norm"]


def test_a_network_without_convolutions_has_no_filters():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(7, activation="softmax")]
    )
    assert find_first_filters(collect_layer_outputs(model, np.zeros((1, 4, 4, 1), np.float32))) is None
