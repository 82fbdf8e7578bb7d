"""Crop faces as in FER2013: 48x48 pixels, grayscale, upright.

benchmarks/faces.py compares the values of the constants below.
"""

import math

import cv2
import numpy as np

from pipeline.data.fer2013 import SIDE
from pipeline.vision.face import Face

ROLL_CORRECTION_THRESHOLD_DEG = 20  # smaller rolls are not corrected, because FER2013's faces have them, too
CROP_SCALE = 0.9  # side of the crop, relative to the bounding box; FER2013's own is 0.97 ± 0.15


def crop_face(
    image: np.ndarray,
    face: Face,
    scale: float = CROP_SCALE,
    roll_threshold: float = ROLL_CORRECTION_THRESHOLD_DEG,
    side: int = SIDE,
) -> np.ndarray:
    """Crop a face as in FER2013; beyond the edges of the image, its border pixels are repeated.

    Args:
        image: (height, width, 3) uint8 RGB, the image in which the face was detected.
        scale: side of the crop, relative to the longer side of the bounding box.
        roll_threshold: in degrees; the crop of a face with this roll or more is rotated upright.
        side: of the result, in pixels; other sides than 48 are for people to look at.

    Returns:
        (side, side) uint8 grayscale.
    """
    rotation = face.roll if abs(face.roll) >= roll_threshold else 0.0
    to_image = crop_matrix(face.center, face.size * scale, rotation, side)
    return cv2.cvtColor(warp_crop(image, to_image, side), cv2.COLOR_RGB2GRAY)


def crop_matrix(
    center: tuple[float, float], image_side: float, rotation: float, output_side: int
) -> np.ndarray:
    """Return the affine matrix (2, 3) that maps coordinates in a square crop to coordinates in the image.

    Args:
        center: (x, y) of the crop's center in the image.
        image_side: side of the crop, in pixels of the image.
        rotation: of the crop, in degrees clockwise.
        output_side: side of the crop, in its own pixels.
    """
    angle, scale = math.radians(rotation), image_side / output_side
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.c_[linear, np.array(center) - linear @ (output_side / 2, output_side / 2)]


def warp_crop(image: np.ndarray, to_image: np.ndarray, output_side: int) -> np.ndarray:
    """Resample a square crop of an image.

    Where the crop is smaller than its source, it is sampled at a multiple of its resolution and then averaged, to
    prevent aliasing.

    Args:
        image: (height, width, 3) uint8.
        to_image: affine matrix (2, 3) from `crop_matrix`.
        output_side: side of the crop in pixels.

    Returns:
        (output_side, output_side, 3) uint8.
    """
    source, source_origin = _source_region(image, to_image, output_side)
    linear, translation = to_image[:, :2], to_image[:, 2]
    oversampling = max(1, math.ceil(np.hypot(*linear[:, 0])))
    step = linear / oversampling
    start = translation - source_origin + step @ (0.5, 0.5) - 0.5  # OpenCV's origin is the center of a pixel
    sampled = cv2.warpAffine(
        source,
        np.c_[step, start],
        (output_side * oversampling, output_side * oversampling),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if oversampling == 1:
        return sampled
    return cv2.resize(sampled, (output_side, output_side), interpolation=cv2.INTER_AREA)


def _source_region(
    image: np.ndarray, to_image: np.ndarray, output_side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a view of the part of an image that a crop needs, and the (x, y) of its first pixel.

    OpenCV's warpAffine does not accept images of 32,767 pixels or more a side.
    """
    linear, translation = to_image[:, :2], to_image[:, 2]
    crop_corners = ((0, 0), (output_side, 0), (0, output_side), (output_side, output_side))
    corners = translation + [linear @ corner for corner in crop_corners]
    image_size = image.shape[1::-1]
    first = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, np.subtract(image_size, 1))
    last = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, first + 1, image_size)
    return image[first[1] : last[1], first[0] : last[0]], first
