"""Show which pixels of a face a prediction depends on, by hiding parts of the face: works with any classifier.

    maps = occlusion_sensitivity(classifier.predict_proba, faces, classes)  # (N, 48, 48): fall of the probability

M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2. For Keras
networks, whose gradients are to be had, pipeline.evaluation.grad_cam is faster.

What such maps cannot tell: they show where a network looks, not why, and not whether it is right; a map can look
plausible for a network that has learned nothing (J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.data.fer2013 import Emotions

WINDOW, STRIDE = 12, 6  # pixels: side of the hidden square, and its steps; chosen by benchmarks/saliency.py
PredictFunction = Callable[[np.ndarray], np.ndarray]  # (N, 48, 48) uint8 -> (N, K) probabilities
# Rows of a face that is cropped as in FER2013; approximate, because its faces are not aligned.
REGIONS = {"eyes and brows": slice(0, 24), "nose": slice(24, 32), "mouth and chin": slice(32, 48)}


def occlusion_sensitivity(
    predict: PredictFunction,
    faces: np.ndarray,
    classes: np.ndarray,
    window: int = WINDOW,
    stride: int = STRIDE,
) -> np.ndarray:
    """Measure by how much the probability of a class falls when the neighborhood of a pixel is hidden.

    A square in the mean gray level of the face is moved over it in steps, and what the probability falls by is
    interpolated between the centers of the square.

    Args:
        predict: is called once per face, with (side / stride)² + 1 copies of it.
        faces: (N, height, width) uint8.
        classes: (N,) integers, the class of each face whose probability is measured.
        window: side of the square, and stride: its steps, in pixels.

    Returns:
        (N, height, width) float32, a difference of probabilities; negative where hiding makes the class more probable.
    """
    height, width = faces.shape[1:]
    masks = np.stack(
        [
            row[:, np.newaxis] & column
            for row in _intervals(height, window, stride)
            for column in _intervals(width, window, stride)
        ]
    )
    rows, columns = (
        interpolation_matrix(side, -(-side // stride), (stride - 1) / 2, stride) for side in (height, width)
    )
    maps = np.empty(faces.shape, np.float32)
    for face, class_id, saliency in zip(faces, classes, maps, strict=True):
        hidden = np.where(masks, np.rint(face.mean()).astype(np.uint8), face)
        probabilities = predict(np.concatenate([face[np.newaxis], hidden]))[:, class_id]
        falls = probabilities[0] - probabilities[1:]
        saliency[...] = rows @ falls.reshape(rows.shape[1], columns.shape[1]) @ columns.T
    return maps


def _intervals(side: int, window: int, stride: int) -> list[np.ndarray]:
    """Return for each position of the window along an axis which of the pixels it covers, (side,) bool."""
    pixels = np.arange(side)
    starts = [first - (window - stride) // 2 for first in range(0, side, stride)]
    return [(start <= pixels) & (pixels < start + window) for start in starts]


def interpolation_matrix(side: int, n: int, first: float, spacing: float) -> np.ndarray:
    """Return the matrix (side, n) that interpolates linearly between n values, at first + index * spacing pixels.

    Before the first value and after the last one, these are repeated.
    """
    indices = (np.arange(side) - first) / spacing
    return np.stack([np.interp(indices, np.arange(n), unit) for unit in np.eye(n)], axis=1)


def scale_to_unit(maps: np.ndarray) -> np.ndarray:
    """Divide each map (N, height, width) by its maximum; what is negative becomes 0, and a map without positives 0."""
    positive = np.maximum(maps, 0)
    maxima = positive.max(axis=(1, 2), keepdims=True)
    return np.divide(positive, maxima, out=np.zeros_like(positive), where=maxima > 0)


@dataclass(frozen=True, eq=False)
class MeanMap:
    """The mean saliency map of faces of one emotion.

    Attributes:
        n_faces: that it is the mean of.
        face: (48, 48) float32, their mean.
        saliency: (48, 48) float32 in [0, 1], the mean of their maps, each divided by its maximum.
    """

    n_faces: int
    face: np.ndarray
    saliency: np.ndarray

    def region_saliency(self) -> dict[str, float]:
        """Return the mean saliency of each of REGIONS, relative to that of all pixels; 0 if there is none."""
        overall = float(self.saliency.mean()) or 1.0
        return {name: float(self.saliency[rows].mean()) / overall for name, rows in REGIONS.items()}


def average_by_emotion(
    faces: np.ndarray, maps: np.ndarray, classes: np.ndarray, emotions: Emotions
) -> dict[str, MeanMap]:
    """Average faces and maps of each emotion; each face has the same weight, whatever the scale of its map.

    Args:
        faces: (N, 48, 48) float32 in [0, 1].
        maps: (N, 48, 48), the saliency of each face's own class.
        classes: (N,) integers, indices into `emotions`.

    Returns:
        By emotion, without those that no face has.
    """
    scaled = scale_to_unit(maps)
    return {
        emotion: MeanMap(int(mask.sum()), faces[mask].mean(axis=0), scaled[mask].mean(axis=0))
        for emotion, mask in ((emotion, classes == index) for index, emotion in enumerate(emotions))
        if mask.any()
    }
