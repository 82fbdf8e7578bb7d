"""Who looks at Webcam_page.py: their cameras, each followed apart from the others, and their videos."""

import base64
import io
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.drawing import draw
from pipeline.faces import Finder
from pipeline.journal import Row, rows_of
from pipeline.recognition import Recognised, recognise
from pipeline.runtime import Recogniser
from pipeline.tracks import Tracker
from pipeline.video import Video, recording

import cv2
import numpy as np
from PIL import Image

MOST_ROWS = 20_000  # of a tab's camera, the last ones: half an hour of one face; they take 30 MB
STALLED = 3.0  # seconds without a frame, as on a slow line, over which a face keeps its number
IDLE = 60.0  # seconds without a frame after which a camera's place may go to another
LONGEST_SIDE = 1280  # pixels of a camera's frame, and of whatever is shown


class Full(ValueError):
    """There are as many cameras as may be."""


class Shared:
    """A recogniser that many threads may ask: it answers one after the other."""

    def __init__(self, recogniser: Recogniser):
        self.recogniser, self.lock, self.path = recogniser, threading.Lock(), recogniser.path

    def predict(self, faces: np.ndarray, views: int = 1) -> np.ndarray:
        with self.lock:
            return self.recogniser.predict(faces, views)


# --------------------------------------------------------------------------------------------------
# Cameras
# --------------------------------------------------------------------------------------------------
@dataclass
class Visitor:
    """A tab whose camera is on: its faces keep their numbers, whatever other tabs see."""

    tracker: Tracker
    finder: Finder = field(default_factory=lambda: Finder(live=True))
    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=MOST_ROWS))
    lock: threading.Lock = field(default_factory=threading.Lock)
    started: float = field(default_factory=time.monotonic)
    last: float = 0.0  # seconds after `started` of the last frame
    frames: int = 0


@dataclass(frozen=True)
class Seen:
    """A frame's faces; its width and height in pixels."""

    faces: list[Recognised]
    size: tuple[int, int]


class Visitors:
    """The tabs whose cameras are on, `most` at a time."""

    def __init__(self, recogniser: Shared, views: int, smoothing: float, most: int):
        self.recogniser, self.views, self.smoothing, self.most = recogniser, views, smoothing, most
        self.known: dict[str, Visitor] = {}
        self.lock = threading.Lock()

    def look(self, name: str, picture: str) -> Seen:
        """The faces in a frame of the tab `name`, a JPEG as a data URL.

        Raises ValueError where it is none, and Full where there are as many cameras as may be.
        """
        if not name:  # all nameless tabs would be taken for one
            raise ValueError("The page has not been loaded whole. Load it again.")
        frame = unpacked(picture)
        visitor = self._visitor(name)
        with visitor.lock:
            found = recognise(frame, visitor.finder, self.recogniser, self.views)
            visitor.frames += 1
            visitor.last = time.monotonic() - visitor.started
            faces = visitor.tracker.follow(found, visitor.last)
            visitor.rows.extend(rows_of("camera", faces, visitor.frames, visitor.last))
        return Seen(faces, frame.shape[1::-1])

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

    def _visitor(self, name: str) -> Visitor:
        with self.lock:
            if name not in self.known:
                if len(self.known) >= self.most:
                    self._make_room()
                self.known[name] = Visitor(Tracker(self.smoothing, patience=STALLED))
            return self.known[name]

    def _make_room(self) -> None:
        name, visitor = min(self.known.items(), key=lambda known: known[1].started + known[1].last)
        if time.monotonic() - visitor.started - visitor.last < IDLE:
            cameras = "1 camera is" if self.most == 1 else f"{self.most} cameras are"
            raise Full(f"{cameras} on already, and no more may be at a time. Try again later.")
        del self.known[name]


def unpacked(picture: str) -> np.ndarray:
    """A data URL with a JPEG as (height, width, 3) uint8 RGB. Raises ValueError where it is none, or a large one."""
    try:
        packed = io.BytesIO(base64.b64decode(picture.partition(",")[2], validate=True))
        with Image.open(packed, formats=("JPEG",)) as frame:
            if max(frame.size) <= LONGEST_SIDE:  # told by its first bytes, before anything is unpacked
                return np.array(frame.convert("RGB"))
    except Exception as error:  # Pillow raises whatever its reading of a damaged picture runs into
        raise ValueError("What came from the camera is no picture.") from error
    raise ValueError(f"What came from the camera is more than {LONGEST_SIDE} pixels wide or high.")


# --------------------------------------------------------------------------------------------------
# Videos
# --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Film:
    """A video with its faces marked.

    path: of the annotated copy; name: of the video; rows: of all frames; of_face: each face's mean probabilities (7,),
    by number; seconds: how many were looked at; whole: whether there were no more.
    """

    path: Path
    name: str
    rows: list[Row]
    of_face: dict[int, np.ndarray]
    seconds: float
    whole: bool


class Films:
    """Annotated videos, one for each tab, in a private folder."""

    def __init__(self, folder: Path, recogniser: Shared, views: int, smoothing: float, longest: float):
        self.folder = folder
        self.recogniser, self.views, self.smoothing, self.longest = recogniser, views, smoothing, longest
        self.of_tab: dict[str, Path] = {}

    def make(self, path: Path, tab: str, progress: Callable[[float], None]) -> Film:
        """Look for faces in a video, frame by frame. Raises ValueError for what is none, and once its tab has gone."""
        self.forget(tab)
        video, tracker, finder = Video(path), Tracker(self.smoothing), Finder(live=True)
        seen: dict[int, list[np.ndarray]] = {}
        rows: list[Row] = []
        # The name can't be guessed, for whoever knows it can fetch it. Browsers play no MPEG-4, but WebM.
        self.of_tab[tab] = annotated = self.folder / f"{secrets.token_hex(16)}.webm"
        seconds, whole, expected = 0.0, True, self._expected(video)
        with ExitStack() as open_files:
            drawn = None
            for frame in video:
                whole = frame.seconds <= self.longest
                if not whole or tab not in self.of_tab:
                    break
                seconds = frame.seconds
                found = recognise(frame.picture, finder, self.recogniser, self.views)
                faces = tracker.follow(found, seconds)
                for face in faces:
                    seen.setdefault(face.number, []).append(face.probabilities)
                rows += rows_of(path.name, faces, frame.number, seconds)
                draw(frame.picture, faces)
                shown = smaller(frame.picture)
                drawn = drawn or open_files.enter_context(
                    recording(annotated, video.rate, shown.shape[1::-1])
                )
                drawn.write(shown)
                progress(min(1.0, frame.number / expected))
        video.capture.release()
        if tab not in self.of_tab:
            annotated.unlink(missing_ok=True)
            raise ValueError(f"{path} was not looked at to its end, because its page was closed.")
        means = {number: np.mean(probabilities, axis=0) for number, probabilities in seen.items()}
        return Film(annotated, path.name, rows, means, seconds, whole and not video.cut_short)

    def _expected(self, video: Video) -> float:
        longest = self.longest * video.rate
        return max(1.0, min(video.length or longest, longest))

    def forget(self, tab: str) -> None:
        path = self.of_tab.pop(tab, None)
        if path:
            path.unlink(missing_ok=True)


def smaller(picture: np.ndarray) -> np.ndarray:
    """A picture of a size that a page can show."""
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
