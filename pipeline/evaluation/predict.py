"""A Keras network as plain data and back, and what it answers; on any Keras backend.

    packed = {"name": str, "config": str (JSON), "weights": [arrays]}

Nothing of a network is pickled but its description and its numbers, so that the cache stays free of code.
"""

import numpy as np

from pipeline.evaluation.tta import average_predictions
from pipeline.models.backend import keras


def predict_proba(model: keras.Model, faces: np.ndarray, batch_size: int = 512, tta: int = 1) -> np.ndarray:
    """Probabilities (N, 7) float32 for faces (N, 48, 48, 1) float32 in [0, 1].

    views: how many variants of each face are averaged over, as `pipeline.views` has them.
    """

    def answer(view: np.ndarray) -> np.ndarray:
        # `model.predict` would set up a data pipeline first, in the time of a thousand faces.
        starts = range(0, len(view), batch_size)
        return np.concatenate([model.predict_on_batch(view[start : start + batch_size]) for start in starts])

    return average_predictions(answer, faces, tta)
