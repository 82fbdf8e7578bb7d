"""Grad-CAM is checked against values computed by hand, and on the kinds of networks that step 7 may build."""

import numpy as np
import pytest

from pipeline.evaluation.grad_cam import grad_cam, split_network
from pipeline.models.backend import keras
from pipeline.models.residual import build_residual_network

layers = keras.layers
SIDE = 6


@pytest.fixture
def faces(rng) -> np.ndarray:
    return rng.random((3, SIDE, SIDE, 1), np.float32)


def set_last_weights(model: keras.Model, kernel: np.ndarray) -> keras.Model:
    """Set the kernel of the last layer, and that of a 1x1 convolution so that the feature maps are x and -2x."""
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            layer.set_weights([np.array([1.0, -2.0]).reshape(1, 1, 1, 2), np.zeros(2)])
    model.layers[-1].set_weights([kernel, np.zeros(7)])
    return model


def build_network(*middle: keras.Layer) -> keras.Model:
    return keras.Sequential(
        [keras.Input((SIDE, SIDE, 1)), layers.Conv2D(2, 1), *middle, layers.Dense(7, activation="softmax")]
    )


def test_after_global_pooling_feature_maps_are_weighted_by_the_dense_layer(faces):
    kernel = np.zeros((2, 7), np.float32)
    kernel[:, 0], kernel[:, 1], kernel[:, 2] = (3, 0), (3, 1), (1, 2)
    model = set_last_weights(build_network(layers.GlobalAveragePooling2D()), kernel)
    maps = grad_cam(model, faces, np.array([0, 1, 2]))
    pixels = faces[..., 0] / SIDE**2
    expected = [3 * pixels[0], (3 - 2) * pixels[1], 0 * pixels[2]]  # of class 2 (1 - 4) x, which is negative
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    np.testing.assert_allclose(grad_cam(model, faces, np.array([0, 1, 2]), pooled=True), expected, atol=1e-6)


def test_before_a_dense_layer_each_pixel_has_its_own_gradient_unless_pooled(faces, rng):
    kernel = rng.normal(size=(SIDE, SIDE, 2, 7)).astype(np.float32)
    model = set_last_weights(build_network(layers.Flatten()), kernel.reshape(-1, 7))
    pixels = faces[..., 0]
    weights = kernel[:, :, 0, 4] - 2 * kernel[:, :, 1, 4]
    maps = grad_cam(model, faces, np.full(3, 4))
    np.testing.assert_allclose(maps, np.maximum(weights * pixels, 0), atol=1e-5)
    maps = grad_cam(model, faces, np.full(3, 4), pooled=True)
    np.testing.assert_allclose(maps, np.maximum(weights.mean() * pixels, 0), atol=1e-5)


def test_of_a_network_that_looks_at_one_corner_only_that_corner_is_salient(rng):
    model = keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            layers.Conv2D(2, 5, activation="relu", kernel_initializer="ones"),
            layers.MaxPooling2D(2),
            layers.Conv2D(2, 5, activation="relu", kernel_initializer="ones"),
            layers.Flatten(),
            layers.Dense(7, activation="softmax"),
        ]
    )
    kernel = np.zeros((18, 18, 2, 7), np.float32)
    kernel[15, 2, :, 3] = 1
    model.layers[-1].set_weights([kernel.reshape(-1, 7), np.zeros(7)])
    maps = grad_cam(model, rng.random((2, 48, 48, 1), np.float32), np.array([3, 5]))
    rows, columns = np.nonzero(maps[0])
    # Unit n of the feature map sees pixels 2n to 2n + 13, without padding; its neighbors are interpolated.
    assert (rows.mean(), columns.mean()) == (2 * 15 + 6.5, 2 * 2 + 6.5)
    assert np.ptp(rows) <= 3 and np.ptp(columns) <= 3
    assert not maps[1].any()


def test_layers_of_a_backbone_count_as_those_of_the_network(faces):
    inputs = keras.Input((SIDE, SIDE, 1))
    backbone = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1)(inputs)))
    outer = keras.Input((SIDE, SIDE, 1))
    model = keras.Model(outer, layers.Dense(7, activation="softmax")(backbone(layers.Rescaling(2.0)(outer))))
    backbone.layers[1].set_weights([np.array([1.0, -2.0]).reshape(1, 1, 1, 2), np.zeros(2)])
    model.layers[-1].set_weights([np.full((2, 7), [[3.0], [1.0]]), np.zeros(7)])
    maps = grad_cam(model, faces, np.zeros(3, int))
    np.testing.assert_allclose(maps, 2 * faces[..., 0] / SIDE**2, atol=1e-6)


def test_a_residual_network_is_split_without_a_change_of_its_predictions(rng):
    model = build_residual_network("Small", (48, 48, 1), (4, 6), (1, 1), 0.1)
    faces = rng.random((2, 48, 48, 1), np.float32)
    network = split_network(model)
    assert network.map_shape == (12, 12)
    probabilities = keras.ops.softmax(network.head(network.extract(faces)))
    np.testing.assert_allclose(
        *map(keras.ops.convert_to_numpy, (probabilities, model(faces, training=False))), atol=1e-6
    )
    assert grad_cam(model, faces, np.array([0, 1])).min() >= 0


@pytest.mark.parametrize(
    "last", [[layers.Dense(7), layers.Softmax()], [layers.Dense(7), layers.Activation("softmax")]]
)
def test_the_softmax_may_be_a_layer_of_its_own(last, faces):
    model = keras.Sequential(
        [keras.Input((SIDE, SIDE, 1)), layers.Conv2D(2, 1), layers.GlobalAveragePooling2D(), *last]
    )
    network = split_network(model)
    logits = keras.ops.convert_to_numpy(network.head(network.extract(faces)))
    assert not np.allclose(logits.sum(axis=1), 1)


def skip_features() -> keras.Model:
    faces = keras.Input((SIDE, SIDE, 1))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1)(faces))
    both = layers.Concatenate()([features, layers.Flatten()(faces)])
    return keras.Model(faces, layers.Dense(7, activation="softmax")(both))


@pytest.mark.parametrize(
    "build",
    [
        lambda: keras.Sequential([keras.Input((SIDE, SIDE, 1)), layers.Flatten(), layers.Dense(7)]),
        lambda: keras.Sequential(
            [keras.Input((SIDE, SIDE, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(7)]
        ),
        skip_features,
    ],
    ids=["no convolution", "feature map of 4x4 pixels", "a connection skips the feature map"],
)
def test_a_network_without_a_usable_feature_map_is_refused(build, faces):
    with pytest.raises(ValueError, match="convolution"):
        grad_cam(build(), faces, np.zeros(3, int))
