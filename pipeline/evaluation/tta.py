"""Test-time augmentation (TTA): average a classifier's probabilities over flipped and shifted views of each face."""

from collections.abc import Callable, Iterator

import numpy as np

TTA_VIEWS = (1, 2, 18)  # numbers of views that `make_views` knows
TTA_SHIFT = 2  # pixels


def average_predictions(
    predict: Callable[[np.ndarray], np.ndarray], faces: np.ndarray, tta: int
) -> np.ndarray:
    """Return the mean of `predict` over all views of the faces (N, 48, 48, 1): probabilities (N, K) float32."""
    probabilities = [predict(view) for view in make_views(faces, tta)]
    return probabilities[0] if tta == 1 else np.stack(probabilities).mean(axis=0, dtype=np.float32)


def make_views(faces: np.ndarray, tta: int) -> Iterator[np.ndarray]:
    """Yield views of the faces (N, height, width, 1), each of the same shape.

    Args:
        tta: 1: the faces unchanged; 2: also flipped horizontally; 18: both, at shifts of -2, 0 and 2 pixels along
            each axis, with the border filled by the nearest pixel.

    Raises:
        ValueError: `tta` is none of TTA_VIEWS.
    """
    if tta not in TTA_VIEWS:
        raise ValueError(f"tta is {tta}, but must be one of {TTA_VIEWS}.")
    if tta < 18:
        yield faces
        if tta == 2:
            yield faces[:, :, ::-1]
        return
    height, width = faces.shape[1:3]
    border = (TTA_SHIFT, TTA_SHIFT)
    padded = np.pad(faces, ((0, 0), border, border, (0, 0)), mode="edge")
    for top in (0, TTA_SHIFT, 2 * TTA_SHIFT):
        for left in (0, TTA_SHIFT, 2 * TTA_SHIFT):
            shifted = padded[:, top : top + height, left : left + width]
            yield shifted
            yield shifted[:, :, ::-1]
