"""Predict the emotions of faces with a Keras model, on any Keras backend."""

import numpy as np

from pipeline.evaluation.tta import average_predictions
from pipeline.models.backend import keras


def predict_proba(model: keras.Model, faces: np.ndarray, batch_size: int = 512, tta: int = 1) -> np.ndarray:
    """Return class probabilities (N, K) float32 for faces (N, 48, 48, 1) float32 in [0, 1].

    Args:
        batch_size: faces per forward pass; changes the speed, not the result.
        tta: number of views of each face to average over, one of `tta.TTA_VIEWS`.
    """

    def predict(view: np.ndarray) -> np.ndarray:
        # `model.predict` would set up a data pipeline for each call, which takes as long as 1,000 faces.
        starts = range(0, len(view), batch_size)
        return np.concatenate([model.predict_on_batch(view[start : start + batch_size]) for start in starts])

    return average_predictions(predict, faces, tta)
