"""Who looks at Webcam_page.py: their cameras, each followed apart from the others, and their videos."""

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.vision.annotate import annotate_faces
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import recognize_faces
from pipeline.vision.results_log import to_rows
from pipeline.vision.results_table import Row
from pipeline.vision.tracker import Tracker
from pipeline.vision.video_io import VideoReader, open_video_writer
from pipeline.web.sessions import LockedClassifier, limit_size


@dataclass(frozen=True)
class AnnotatedVideo:
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


class VideoJobs:
    """Annotated videos, one for each tab, in a private folder."""

    def __init__(
        self, folder: Path, classifier: LockedClassifier, tta: int, smoothing: float, longest: float
    ):
        self.folder = folder
        self.classifier, self.tta, self.smoothing, self.longest = classifier, tta, smoothing, longest
        self.of_tab: dict[str, Path] = {}

    def make(self, path: Path, tab: str, progress: Callable[[float], None]) -> AnnotatedVideo:
        """Look for faces in a video, frame by frame. Raises ValueError for what is none, and once its tab has gone."""
        self.forget(tab)
        video, tracker, detector = VideoReader(path), Tracker(self.smoothing), FaceDetector(live=True)
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
                found = recognize_faces(frame.image, detector, self.classifier, self.tta)
                faces = tracker.update(found, seconds)
                for face in faces:
                    seen.setdefault(face.track_id, []).append(face.probabilities)
                rows += to_rows(path.name, faces, frame.number, seconds)
                annotate_faces(frame.image, faces)
                shown = limit_size(frame.image)
                drawn = drawn or open_files.enter_context(
                    open_video_writer(annotated, video.fps, shown.shape[1::-1])
                )
                drawn.write(shown)
                progress(min(1.0, frame.number / expected))
        video.capture.release()
        if tab not in self.of_tab:
            annotated.unlink(missing_ok=True)
            raise ValueError(f"{path} was not looked at to its end, because its page was closed.")
        means = {number: np.mean(probabilities, axis=0) for number, probabilities in seen.items()}
        return AnnotatedVideo(annotated, path.name, rows, means, seconds, whole and not video.is_truncated)

    def _expected(self, video: VideoReader) -> float:
        longest = self.longest * video.fps
        return max(1.0, min(video.frame_count or longest, longest))

    def forget(self, tab: str) -> None:
        path = self.of_tab.pop(tab, None)
        if path:
            path.unlink(missing_ok=True)
