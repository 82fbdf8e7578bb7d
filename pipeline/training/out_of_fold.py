"""Predict each face by a network that was not trained on it: k-fold cross-validation of the network of step 7."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from tqdm import tqdm

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.evaluation.predict import predict_proba
from pipeline.models.backend import keras
from pipeline.models.serialization import PackedModel, unpack
from pipeline.training import fine_tuning
from pipeline.training.batches import ShuffledBatches, to_tf_dataset
from pipeline.training.callbacks import build_callbacks
from pipeline.training.fast_layers import build_fast_copy
from pipeline.training.optimizers import compile_for_phase
from pipeline.training.recipes import RECIPES, RecipeName
from pipeline.workflow.artifacts import ArtifactStore

ARTIFACT = "out_of_fold"
Training = Callable[
    [np.ndarray, np.ndarray, str], np.ndarray
]  # training and held-out rows, title: probabilities


def split_into_folds(
    labels: np.ndarray, pixels: np.ndarray, n_folds: int, seed: int, emotions: Emotions = EMOTIONS
) -> np.ndarray:
    """Return the fold of each face, (N,) int from 0: the same share of each emotion, equal images in one fold.

    Args:
        labels: (N,) integers, indices into `emotions`.
        pixels: (N, 48, 48) uint8.
        n_folds: 2 or more.
        seed: Of the assignment.
        emotions: Their names, for the message.

    Raises:
        ValueError: If an emotion has fewer different faces than there are folds.
    """
    image, _ = pd.factorize(pd.Series([face.tobytes() for face in pixels]))
    label = labels[np.unique(image, return_index=True)[1]]  # of each image: that of its first face
    counts = np.bincount(label, minlength=len(emotions))
    if counts.min() < n_folds:
        raise ValueError(
            f"folds is {n_folds}, but there are {counts.min()} different training faces of "
            f"{emotions[counts.argmin()]}. Use fewer folds, or add faces."
        )
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    folds = np.empty(len(label), int)
    for fold, (_, held_out) in enumerate(splitter.split(label, label)):
        folds[held_out] = fold
    return folds[image]


def predict_out_of_fold(
    folds: np.ndarray, train: Training, store: ArtifactStore, dependencies: dict[str, Any]
) -> np.ndarray:
    """Return the probabilities (N, K) float32 of each face, by a network trained on the other folds.

    The artifact `out_of_fold` has the folds that are done. They are reused if the dependencies are the same.

    Args:
        folds: (N,) int, of `split_into_folds`.
        train: Trains a network and returns its probabilities for the held-out rows, such as `train_and_predict`.
        store: What the predictions depend on has been read from it.
        dependencies: Plain data that determines the predictions.
    """
    n_folds = int(folds.max()) + 1
    done = _read_done(store, dependencies)
    if done:
        print(f"  {len(done)} of {n_folds} folds are in data/ from an earlier run with these settings")
    for fold in range(len(done), n_folds):
        training, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        done.append(train(training, held_out, f"  fold {fold + 1} of {n_folds}"))
        store.write(**{ARTIFACT: {"dependencies": dependencies, "predictions": done}})
    probabilities = np.empty((len(folds), done[0].shape[1]), np.float32)
    for fold, predictions in enumerate(done):
        probabilities[folds == fold] = predictions
    return probabilities


def _read_done(store: ArtifactStore, dependencies: dict[str, Any]) -> list[np.ndarray]:
    """Return the predictions of the folds that are done, none if they are of other data or settings."""
    if not store.has(ARTIFACT):
        return []
    try:
        content = store.read(ARTIFACT, track=False)
    except (ValueError, FileNotFoundError):  # the data set or the network has changed
        return []
    return content["predictions"] if content["dependencies"] == dependencies else []


def build_short_recipe(recipe: RecipeName, epochs: int, seed: int) -> SimpleNamespace:
    """Return the settings of step 8 for a short training by a recipe, without EMA, which would lag behind it."""
    values = RECIPES["baseline"] | RECIPES[recipe] | {"corruption": 0.0, "mixup": 0.0}
    settings = SimpleNamespace(**values | {"epochs": epochs, "seed": seed, "ema_momentum": 0.0})
    fine_tuning.check_phases(settings)
    return settings


def train_and_predict(
    packed: PackedModel,
    settings: SimpleNamespace,
    faces: np.ndarray,
    targets: np.ndarray,
    training: np.ndarray,
    held_out: np.ndarray,
    title: str,
) -> np.ndarray:
    """Train a network from its initial weights, and return its probabilities (M, K) for the held-out faces.

    Args:
        packed: The network of step 7.
        settings: Those of step 8, of `build_short_recipe`.
        faces: (N, 48, 48, 1) float32 in [0, 1].
        targets: (N, K) float32 class distributions.
        training: Rows to train on.
        held_out: (M,) rows to predict.
        title: Of the progress bar.
    """
    keras.utils.set_random_seed(settings.seed)
    model = build_fast_copy(unpack(packed), settings.precision)
    batches = ShuffledBatches.from_settings(faces[training], targets[training], settings)
    with tqdm(total=settings.epochs, desc=title, unit="epoch", leave=False, disable=None) as bar:
        progress = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: bar.update())
        for phase in fine_tuning.split_into_phases(settings):
            if settings.frozen_epochs:
                fine_tuning.prepare_backbone(model, phase)
            compile_for_phase(model, settings, phase, steps_per_epoch=len(batches))
            model.fit(
                to_tf_dataset(batches),
                shuffle=False,  # ShuffledBatches does it
                initial_epoch=phase.start,
                epochs=phase.stop,
                verbose=0,
                callbacks=[*build_callbacks(batches, settings.epochs), progress],
            )
    return predict_proba(model, faces[held_out])
