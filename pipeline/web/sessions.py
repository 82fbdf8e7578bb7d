"""Recognize the faces of several cameras at once: one session per browser tab, with a limited capacity."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from pipeline.vision.frame_pipeline import FramePipeline
from pipeline.vision.recognition import FacePrediction, SharedClassifier
from pipeline.vision.results_log import to_rows
from pipeline.vision.results_table import Row
from pipeline.web.frames import decode_frame

MAX_ROWS = 20_000  # per session, the newest: half an hour of one face, 30 MB of memory
MAX_FRAME_GAP_S = 3.0  # time without a frame, as on a slow connection, after which a face gets a new track_id
IDLE_TIMEOUT_S = 60.0  # time without a frame after which a session may be replaced by a new one


class CapacityError(ValueError):
    """The maximum number of sessions is reached."""


@dataclass
class CameraSession:
    """The camera of one browser tab. Its faces are tracked independently of all other sessions."""

    frame_pipeline: FramePipeline
    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=MAX_ROWS))
    lock: threading.Lock = field(default_factory=threading.Lock)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0  # time of the newest frame, since `started`
    frame_count: int = 0

    @property
    def idle_seconds(self) -> float:
        """Time since the newest frame."""
        return time.monotonic() - self.started - self.seconds


@dataclass(frozen=True)
class FrameResult:
    """The faces of one frame; its size is (width, height) in pixels."""

    faces: list[FacePrediction]
    size: tuple[int, int]


class CameraSessions:
    """The sessions of all browser tabs whose camera is on. Safe to use from several threads.

    Args:
        tta: views of each face to average over (test-time augmentation).
        smoothing: time constant in seconds of the moving average of each face's probabilities; 0 disables it.
        max_sessions: how many there may be at a time.
    """

    def __init__(self, *, tta: int, smoothing: float, max_sessions: int):
        self.tta, self.smoothing, self.max_sessions = tta, smoothing, max_sessions
        self.sessions: dict[str, CameraSession] = {}
        self.lock = threading.Lock()

    def process(self, session_id: str, data_url: str, classifier: SharedClassifier) -> FrameResult:
        """Recognize the faces in a session's next frame, a JPEG as a data URL.

        With another classifier than the frame before, the session is reset: no result mixes two networks.

        Raises:
            ValueError: the frame is not a JPEG or too large, or there is no session id.
            CapacityError: the session is new, and the maximum number is reached.
        """
        if not session_id:  # all tabs without one would share a session
            raise ValueError("The page is not loaded completely. Reload it.")
        image = decode_frame(data_url)
        session = self._get_or_create(session_id, classifier)
        with session.lock:
            session.frame_count += 1
            session.seconds = time.monotonic() - session.started
            faces = session.frame_pipeline.process(image, session.seconds)
            session.rows.extend(to_rows("camera", faces, session.frame_count, session.seconds))
        height, width = image.shape[:2]
        return FrameResult(faces, (width, height))

    def get_rows(self, session_id: str) -> list[Row]:
        """Return the newest results of a session, one row per face; none for an unknown session."""
        session = self.sessions.get(session_id)
        if session is None:
            return []
        with session.lock:
            return list(session.rows)

    def end(self, session_id: str) -> None:
        """Forget a session, if it exists."""
        with self.lock:
            self.sessions.pop(session_id, None)

    def _get_or_create(self, session_id: str, classifier: SharedClassifier) -> CameraSession:
        with self.lock:
            session = self.sessions.get(session_id)
            if session is None and len(self.sessions) >= self.max_sessions:
                self._remove_idle_session()
            if session is None or session.frame_pipeline.classifier is not classifier:
                frame_pipeline = FramePipeline(
                    classifier, tta=self.tta, smoothing=self.smoothing, max_age=MAX_FRAME_GAP_S
                )
                session = self.sessions[session_id] = CameraSession(frame_pipeline)
            return session

    def _remove_idle_session(self) -> None:
        session_id = max(self.sessions, key=lambda name: self.sessions[name].idle_seconds)
        if self.sessions[session_id].idle_seconds < IDLE_TIMEOUT_S:
            cameras = "1 camera" if self.max_sessions == 1 else f"{self.max_sessions} cameras"
            raise CapacityError(f"The server is at its limit of {cameras} at a time. Try again later.")
        del self.sessions[session_id]
