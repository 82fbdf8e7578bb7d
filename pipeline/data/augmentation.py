"""Augment training faces: random flips, affine warps, lighting, camera corruptions, random erasing and mixup.

Faces are (N, 48, 48, 1) float32 in [0, 1], targets (N, K) float32. All randomness comes from the generator that is
passed in: the same generator gives the same batch.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any

import cv2
import numpy as np
from annotated_types import Ge, Le

from pipeline.data.corruptions import corrupt
from pipeline.data.fer2013 import SIDE

ErasingSide = Annotated[int, Ge(0), Le(SIDE)]


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a batch, in this order; the defaults change nothing.

    Attributes:
        flip: Mirror half of the faces.
        rotate: Maximum angle in either direction, degrees.
        translate: Maximum translation in each direction, pixels.
        zoom: Maximum relative change of size, 0 to below 1.
        contrast: Maximum relative change of contrast, 0 to below 1.
        brightness: Maximum change of the gray values, of the range [0, 1].
        corruption: Share of the faces degraded as by a poor camera, 0 to 1.
        random_erasing: Maximum side of the erased rectangle, pixels.
        mixup: Alpha of the Beta distribution of the mixing weight.
    """

    flip: bool = False
    rotate: float = 0.0
    translate: float = 0.0
    zoom: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    corruption: float = 0.0
    random_erasing: int = 0
    mixup: float = 0.0

    @classmethod
    def from_settings(cls, settings: Any) -> "Augmentation":
        """Take the fields of the same names from a step's settings."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})

    def __call__(
        self, faces: np.ndarray, targets: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return an augmented copy of a batch; arrays that nothing changes are returned themselves."""
        if self.flip or self.rotate or self.translate or self.zoom:
            faces = warp(faces, self.draw_affine_matrices(len(faces), faces.shape[1], rng))
        if self.contrast or self.brightness:
            contrast = 1 + rng.uniform(-self.contrast, self.contrast, len(faces))
            faces = adjust_lighting(
                faces, contrast, rng.uniform(-self.brightness, self.brightness, len(faces))
            )
        if self.corruption:
            faces = corrupt(faces, rng.random(len(faces)) < self.corruption, rng)
        if self.random_erasing:
            faces = erase_rectangles(faces, *self.draw_rectangles(len(faces), faces.shape[1], rng))
        if self.mixup:
            return mix_faces(faces, targets, rng.beta(self.mixup, self.mixup), rng.permutation(len(faces)))
        return faces, targets

    def draw_affine_matrices(self, n_faces: int, side: int, rng: np.random.Generator) -> np.ndarray:
        """Draw random matrices for `warp`, (n_faces, 6) float32."""
        mirror = np.where(self.flip & (rng.random(n_faces) < 0.5), -1.0, 1.0)
        angle = np.deg2rad(rng.uniform(-self.rotate, self.rotate, n_faces))
        scale = 1 / (1 + rng.uniform(-self.zoom, self.zoom, n_faces))
        translation = rng.uniform(-self.translate, self.translate, (2, n_faces))
        return affine_matrices(mirror, angle, scale, translation, side)

    def draw_rectangles(self, n_faces: int, side: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Draw random rectangles for `erase_rectangles`: top, left, height, width and gray, (n_faces,) each."""
        height, width = rng.integers(0, self.random_erasing + 1, (2, n_faces))
        top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
        return top, left, height, width, rng.random(n_faces, np.float32)


def affine_matrices(
    mirror: np.ndarray, angle: np.ndarray, scale: np.ndarray, translation: np.ndarray, side: int
) -> np.ndarray:
    """Compute affine maps from output to input pixels, about the center of the image.

    Args:
        mirror: (N,), -1 mirrors a face, 1 does not.
        angle: (N,), radians.
        scale: (N,), input pixels per output pixel; below 1 enlarges.
        translation: (2, N), pixels to the right and down.
        side: Height and width of a face in pixels.

    Returns:
        (N, 6) float32, rows (a0, a1, a2, b0, b1, b2): output pixel (x, y) is input pixel
        (a0 x + a1 y + a2, b0 x + b1 y + b2).
    """
    center = (side - 1) / 2
    a0, a1 = mirror * scale * np.cos(angle), -mirror * scale * np.sin(angle)
    b0, b1 = scale * np.sin(angle), scale * np.cos(angle)
    x, y = center + translation
    rows = [a0, a1, center - a0 * x - a1 * y, b0, b1, center - b0 * x - b1 * y]
    return np.stack(rows, axis=1).astype(np.float32)


def warp(faces: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Warp each face by its affine matrix (see `affine_matrices`), bilinear, with the border replicated.

    OpenCV, which rounds coordinates to 1/32 pixel, is four times as fast as TensorFlow, and the thread that prepares a
    batch does not wait for the threads that train.
    """
    warped = np.empty_like(faces)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for face, target, matrix in zip(faces, warped, matrices, strict=True):
        size = (face.shape[1], face.shape[0])
        cv2.warpAffine(
            face, matrix.reshape(2, 3), size, dst=target, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
    return warped


def adjust_lighting(faces: np.ndarray, contrast: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Scale each face's gray values about their mean by `contrast` (N,), add `brightness` (N,), clip to [0, 1]."""
    mean = faces.mean(axis=(1, 2, 3), keepdims=True)
    factor, offset = (values.astype(np.float32)[:, None, None, None] for values in (contrast, brightness))
    adjusted = faces * factor
    adjusted += mean * (1 - factor) + offset
    return np.clip(adjusted, 0, 1, out=adjusted)


def erase_rectangles(
    faces: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    gray: np.ndarray,
) -> np.ndarray:
    """Fill a rectangle in each face with one gray value; all arguments (N,).

    Z. Zhong et al., "Random Erasing Data Augmentation", 2017, https://arxiv.org/abs/1708.04896.
    """
    erased = faces.copy()
    for face, y, x, n_rows, n_columns, value in zip(erased, top, left, height, width, gray, strict=True):
        face[y : y + n_rows, x : x + n_columns] = value
    return erased


def mix_faces(
    faces: np.ndarray, targets: np.ndarray, weight: float, partners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each face and its target with those of its partner: weight * own + (1 - weight) * partner's.

    H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, https://arxiv.org/abs/1710.09412.

    Args:
        faces: (N, H, W, 1) float32.
        targets: (N, C) float32.
        weight: 0 to 1, the same for all faces.
        partners: (N,) int, indices of the partners.
    """
    own = np.float32(weight)
    return own * faces + (1 - own) * faces[partners], own * targets + (1 - own) * targets[partners]
