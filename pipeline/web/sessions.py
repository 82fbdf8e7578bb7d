"""Who looks at Webcam_page.py: their cameras, each followed apart from the others, and their videos."""

import base64
import io
import threading
import time
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image

from pipeline.inference.classifier import EmotionClassifier
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import FacePrediction, recognize_faces
from pipeline.vision.results_log import to_rows
from pipeline.vision.results_table import Row
from pipeline.vision.tracker import Tracker

MAX_ROWS = 20_000  # of a tab's camera, the last ones: half an hour of one face; they take 30 MB
MAX_FRAME_GAP_S = 3.0  # seconds without a frame, as on a slow line, over which a face keeps its number
IDLE_TIMEOUT_S = 60.0  # seconds without a frame after which a camera's place may go to another
MAX_FRAME_SIDE = 1280  # pixels of a camera's frame, and of whatever is shown


class CapacityError(ValueError):
    """There are as many cameras as may be."""


class LockedClassifier:
    """A recognizer that many threads may ask: it answers one after the other."""

    def __init__(self, classifier: EmotionClassifier):
        self.classifier, self.lock, self.path = classifier, threading.Lock(), classifier.path

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        with self.lock:
            return self.classifier.predict_proba(faces, tta)


@dataclass
class CameraSession:
    """A tab whose camera is on: its faces keep their numbers, whatever other tabs see."""

    tracker: Tracker
    detector: FaceDetector = field(default_factory=lambda: FaceDetector(live=True))
    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=MAX_ROWS))
    lock: threading.Lock = field(default_factory=threading.Lock)
    started: float = field(default_factory=time.monotonic)
    last: float = 0.0  # seconds after `started` of the last frame
    frames: int = 0


@dataclass(frozen=True)
class FrameResult:
    """A frame's faces; its width and height in pixels."""

    faces: list[FacePrediction]
    size: tuple[int, int]


class CameraSessions:
    """The tabs whose cameras are on, `most` at a time."""

    def __init__(self, classifier: LockedClassifier, tta: int, smoothing: float, most: int):
        self.classifier, self.tta, self.smoothing, self.most = classifier, tta, smoothing, most
        self.known: dict[str, CameraSession] = {}
        self.lock = threading.Lock()

    def look(self, name: str, picture: str) -> FrameResult:
        """The faces in a frame of the tab `name`, a JPEG as a data URL.

        Raises ValueError where it is none, and Full where there are as many cameras as may be.
        """
        if not name:  # all nameless tabs would be taken for one
            raise ValueError("The page has not been loaded whole. Load it again.")
        frame = decode_frame(picture)
        visitor = self._visitor(name)
        with visitor.lock:
            found = recognize_faces(frame, visitor.detector, self.classifier, self.tta)
            visitor.frames += 1
            visitor.last = time.monotonic() - visitor.started
            faces = visitor.tracker.update(found, visitor.last)
            visitor.rows.extend(to_rows("camera", faces, visitor.frames, visitor.last))
        return FrameResult(faces, frame.shape[1::-1])

    def rows(self, name: str) -> list[Row]:
        """What a tab's camera has shown, the last of it."""
        visitor = self.known.get(name)
        if not visitor:
            return []
        with visitor.lock:
            return list(visitor.rows)

    def forget(self, name: str) -> None:
        with self.lock:
            self.known.pop(name, None)

    def _visitor(self, name: str) -> CameraSession:
        with self.lock:
            if name not in self.known:
                if len(self.known) >= self.most:
                    self._make_room()
                self.known[name] = CameraSession(Tracker(self.smoothing, max_age=MAX_FRAME_GAP_S))
            return self.known[name]

    def _make_room(self) -> None:
        name, visitor = min(self.known.items(), key=lambda known: known[1].started + known[1].last)
        if time.monotonic() - visitor.started - visitor.last < IDLE_TIMEOUT_S:
            cameras = "1 camera is" if self.most == 1 else f"{self.most} cameras are"
            raise CapacityError(f"{cameras} on already, and no more may be at a time. Try again later.")
        del self.known[name]


def decode_frame(picture: str) -> np.ndarray:
    """A data URL with a JPEG as (height, width, 3) uint8 RGB. Raises ValueError where it is none, or a large one."""
    try:
        packed = io.BytesIO(base64.b64decode(picture.partition(",")[2], validate=True))
        with Image.open(packed, formats=("JPEG",)) as frame:
            if max(frame.size) <= MAX_FRAME_SIDE:  # told by its first bytes, before anything is unpacked
                return np.array(frame.convert("RGB"))
    except Exception as error:  # Pillow raises whatever its reading of a damaged picture runs into
        raise ValueError("What came from the camera is no picture.") from error
    raise ValueError(f"What came from the camera is more than {MAX_FRAME_SIDE} pixels wide or high.")


def limit_size(picture: np.ndarray) -> np.ndarray:
    """A picture of a size that a page can show."""
    scale = MAX_FRAME_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
