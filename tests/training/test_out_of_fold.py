"""Each face is predicted by a network that was trained on neither it nor an equal image."""

import numpy as np
import pytest

from pipeline.training.out_of_fold import (
    ARTIFACT,
    build_short_recipe,
    predict_out_of_fold,
    split_into_folds,
    train_and_predict,
)
from pipeline.workflow.artifacts import ArtifactStore

N_FOLDS = 3
FOLDS = np.array([0, 1, 2, 0, 1, 2, 2])


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    return ArtifactStore(tmp_path, "Find_Suspect_Labels.py")


class FakeTraining:
    """Predicts for each held-out face its row, and is interrupted before training `n_before_interruption` + 1."""

    def __init__(self, n_before_interruption: int = N_FOLDS):
        self.n_left = n_before_interruption
        self.calls = []

    def __call__(self, training, held_out, title):
        if not self.n_left:
            raise KeyboardInterrupt
        self.n_left -= 1
        self.calls.append((training.tolist(), held_out.tolist()))
        return np.repeat(held_out[:, np.newaxis], 7, axis=1).astype(np.float32)


def test_folds_have_the_same_share_of_each_emotion_and_equal_images_are_in_one(small_table):
    labels, pixels = small_table["emotion"], small_table["pixels"].copy()
    same = np.flatnonzero(labels == 3)[:12]
    pixels[same] = pixels[same[0]]
    folds = split_into_folds(labels, pixels, N_FOLDS, seed=0)
    assert set(folds) == set(range(N_FOLDS)) and len(set(folds[same])) == 1
    unique = np.setdiff1d(np.arange(len(labels)), same)
    counts = np.array(
        [np.bincount(labels[unique][folds[unique] == fold], minlength=7) for fold in range(N_FOLDS)]
    )
    assert np.ptp(counts, axis=0).max() <= 2
    assert np.any(folds != split_into_folds(labels, pixels, N_FOLDS, seed=1))


def test_too_few_faces_of_an_emotion_are_named(small_table):
    few = np.flatnonzero((small_table["emotion"] != 1) | (np.cumsum(small_table["emotion"] == 1) <= 2))
    with pytest.raises(ValueError, match="2 different training faces of Disgust"):
        split_into_folds(small_table["emotion"][few], small_table["pixels"][few], N_FOLDS, seed=0)


def test_each_face_is_predicted_once_by_a_training_without_it(store):
    train = FakeTraining()
    probabilities = predict_out_of_fold(FOLDS, train, store, {})
    assert probabilities[:, 0].tolist() == list(range(len(FOLDS)))
    assert train.calls[1] == ([0, 2, 3, 5, 6], [1, 4])
    assert all(not set(training) & set(held_out) for training, held_out in train.calls)


def test_an_interrupted_run_continues_with_the_next_fold(store):
    with pytest.raises(KeyboardInterrupt):
        predict_out_of_fold(FOLDS, FakeTraining(2), store, {"epochs": 3})
    train = FakeTraining()
    probabilities = predict_out_of_fold(FOLDS, train, store, {"epochs": 3})
    assert len(train.calls) == 1 and probabilities[:, 0].tolist() == list(range(len(FOLDS)))
    assert len(store.read(ARTIFACT)["predictions"]) == N_FOLDS


@pytest.mark.parametrize("change", ["settings", "data"])
def test_folds_of_other_settings_or_data_are_not_used(store, change):
    store.write(dataset=1)
    store.read("dataset")
    predict_out_of_fold(FOLDS, FakeTraining(), store, {"epochs": 3})
    if change == "data":
        ArtifactStore(store.folder, "Load_dataSets.py").write(dataset=2)
    train = FakeTraining()
    predict_out_of_fold(FOLDS, train, store, {"epochs": 4 if change == "settings" else 3})
    assert len(train.calls) == N_FOLDS


def test_no_recipe_has_what_a_short_training_does_without():
    settings = build_short_recipe("residual", 8, seed=2)
    assert (settings.epochs, settings.seed, settings.ema_momentum) == (8, 2, 0.0)
    assert settings.flip and settings.precision == "mixed_bfloat16"
    with pytest.raises(ValueError, match="warmup_epochs"):
        build_short_recipe("residual", 3, seed=0)


@pytest.mark.slow
def test_a_training_predicts_faces_that_it_has_not_seen():
    """Brightness gives the emotion away; the held-out targets are wrong, which would show if they were used."""
    from pipeline.models.backend import keras
    from pipeline.models.serialization import pack

    layers = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax")]
    labels = np.arange(140) % 7
    faces = np.zeros((140, 4, 4, 1), np.float32)
    faces[np.arange(140), labels // 4, labels % 4] = 1
    targets = np.eye(7, dtype=np.float32)[labels]
    targets[70:] = np.roll(targets[70:], 1, axis=1)
    settings = build_short_recipe("baseline", 20, seed=0)
    settings.learning_rate = 0.1
    rows = np.arange(140)
    probabilities = train_and_predict(
        pack(keras.Sequential(layers, name="tiny")), settings, faces, targets, rows[:70], rows[70:], "fold"
    )
    assert probabilities.shape == (70, 7) and np.array_equal(probabilities.argmax(axis=1), labels[70:])
