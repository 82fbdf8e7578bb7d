"""Knowledge distillation: train on soft targets, the predictions of more accurate models.

G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.evaluation import predict
from pipeline.models import serialization
from pipeline.models.backend import keras
from pipeline.models.model_labels import check_labels
from pipeline.training.fast_layers import build_fast_copy
from pipeline.workflow.steps import ROOT

BATCH_SIZE = 512  # faces per prediction


def distill_targets(
    teachers: tuple[str, ...],
    faces: np.ndarray,
    targets: np.ndarray,
    weight: float,
    emotions: Emotions = EMOTIONS,
) -> np.ndarray:
    """Mix the teachers' mean prediction into the targets; return the targets unchanged without teachers.

    Args:
        teachers: Paths of saved models (.keras), relative to the project's folder.
        faces: (N, 48, 48, 1) float32 in [0, 1]; a teacher's prediction averages each face and its mirror image.
        targets: (N, K) float32 class distributions.
        weight: Weight of the teachers' prediction in [0, 1].
        emotions: The names of the K classes.

    Returns:
        (N, K) float32 class distributions.

    Raises:
        ValueError: If a teacher predicts other emotions.
    """
    if not teachers:
        return targets
    models = [build_fast_copy(serialization.load_model(ROOT / path), "float32") for path in teachers]
    for path in teachers:
        check_labels(ROOT / path, emotions)
    progress = tqdm(
        total=len(models) * len(faces),
        desc="  teacher predictions",
        unit="face",
        delay=1,
        leave=False,
        disable=None,
    )
    with progress:
        predictions = [_predict(model, faces, progress.update) for model in models]
    return ((1 - weight) * targets + weight * np.mean(predictions, axis=0)).astype(np.float32)


def _predict(model: keras.Model, faces: np.ndarray, update_progress: Callable[[int], Any]) -> np.ndarray:
    """Return a teacher's probabilities, (N, K) float32."""
    probabilities = []
    for start in range(0, len(faces), BATCH_SIZE):
        batch = faces[start : start + BATCH_SIZE]
        probabilities.append(predict.predict_proba(model, batch, tta=2))
        update_progress(len(batch))
    return np.concatenate(probabilities)
