"""Knowledge distillation: soft targets against an independent computation."""

import numpy as np
import pytest

from pipeline.models.backend import keras
from pipeline.training.distillation import distill_targets


@pytest.mark.slow
def test_targets_mix_the_mean_prediction_of_the_teachers(tmp_path, rng):
    faces = rng.random((6, 48, 48, 1), np.float32)
    targets = np.eye(7, dtype=np.float32)[rng.integers(0, 7, 6)]
    predictions = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        head = [keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax")]
        teacher = keras.Sequential([keras.Input((48, 48, 1)), *head])
        teacher.save(tmp_path / f"{seed}.keras")
        predictions += [teacher.predict(view, verbose=0) for view in (faces, faces[:, :, ::-1])]
    soft = distill_targets((str(tmp_path / "0.keras"), str(tmp_path / "1.keras")), faces, targets, 0.6)
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft, 0.4 * targets + 0.6 * np.mean(predictions, axis=0), atol=1e-6)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)


def test_targets_without_teachers_are_unchanged(rng):
    targets = rng.random((2, 7), np.float32)
    assert distill_targets((), rng.random((2, 48, 48, 1), np.float32), targets, 0.6) is targets
