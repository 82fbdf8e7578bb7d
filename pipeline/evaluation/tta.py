"""Several views of each face, to average a network's answers over: mirrored and a little shifted."""

from collections.abc import Callable, Iterator

import numpy as np

TTA_VIEWS = (1, 2, 18)


def average_predictions(
    answer: Callable[[np.ndarray], np.ndarray], faces: np.ndarray, tta: int
) -> np.ndarray:
    """Probabilities (N, 7) float32: the mean of `answer` to all variants of the faces (N, 48, 48, 1)."""
    answers = [answer(variant) for variant in make_views(faces, tta)]
    return answers[0] if tta == 1 else np.mean(answers, axis=0, dtype=np.float32)


def make_views(faces: np.ndarray, tta: int) -> Iterator[np.ndarray]:
    """The faces (N, height, width, 1) as seen in each of `views`; what a shift brings in is the nearest edge.

    1: as they are; 2: and mirrored; 18: both shifted by two pixels to all eight sides. Raises ValueError for others.
    """
    if tta not in TTA_VIEWS:
        raise ValueError(f"views is {tta}, but must be one of {TTA_VIEWS}.")
    if tta < 18:
        yield faces
        if tta == 2:
            yield faces[:, :, ::-1]
        return
    far = 2
    height, width = faces.shape[1:3]
    padded = np.pad(faces, ((0, 0), (far, far), (far, far), (0, 0)), mode="edge")
    for top in (0, far, 2 * far):
        for left in (0, far, 2 * far):
            shifted = padded[:, top : top + height, left : left + width]
            yield shifted
            yield shifted[:, :, ::-1]
