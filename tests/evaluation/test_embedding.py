"""Features are the input of the last layer with weights, and faces with similar ones are close in the plane."""

import numpy as np
import pytest

from pipeline.evaluation.embedding import compute_features, project_to_plane
from pipeline.models.backend import keras

layers = keras.layers


def test_features_are_what_the_last_layer_decides_from(rng):
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(7),
            layers.Softmax(),
        ]
    )
    faces = rng.random((11, 4, 4, 1)).astype(np.float32)
    features = compute_features(model, faces, batch_size=4)
    assert features.shape == (11, 5) and features.dtype == np.float32
    kernel, bias = model.layers[-2].get_weights()
    logits = features @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expected, model.predict_on_batch(faces), atol=1e-5)


def test_feature_maps_count_by_their_mean(rng):
    faces = keras.Input((4, 4, 1))
    maps = layers.Conv2D(7, 1, name="last")(faces)
    model = keras.Model(faces, layers.Softmax()(layers.GlobalAveragePooling2D()(maps)))
    pixels = rng.random((3, 4, 4, 1)).astype(np.float32)
    np.testing.assert_allclose(compute_features(model, pixels), pixels.mean(axis=(1, 2)), atol=1e-6)


def test_similar_faces_are_close_in_the_plane_and_the_seed_decides(rng):
    groups = np.repeat([0, 1, 2], 20)
    features = (rng.normal(size=(3, 8)) * 10)[groups] + rng.normal(size=(60, 8))
    positions = project_to_plane(features.astype(np.float32), perplexity=30, seed=0)
    assert positions.shape == (60, 2) and positions.dtype == np.float32
    distances = np.linalg.norm(positions[:, np.newaxis] - positions, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).all()
    assert np.array_equal(positions, project_to_plane(features.astype(np.float32), perplexity=30, seed=0))


def test_equal_features_are_refused():
    with pytest.raises(ValueError, match="learned nothing"):
        project_to_plane(np.ones((30, 4), np.float32), perplexity=5, seed=0)
