"""Recognize the faces of uploaded videos, and keep the annotated copies of each browser tab's last upload."""

import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.vision.frame_pipeline import FramePipeline, annotate_video
from pipeline.vision.recognition import SharedClassifier
from pipeline.vision.results_log import to_rows
from pipeline.vision.results_table import Row
from pipeline.vision.video_worker import IsolatedVideoReader
from pipeline.web.frames import limit_size


@dataclass(frozen=True)
class AnnotatedVideo:
    """The results of a video.

    Attributes:
        path: the copy with annotated faces.
        name: file name of the upload.
        rows: one per face and frame.
        mean_probabilities: track_id -> (K,), the mean over the frames that show the face.
        seconds: time of the last frame that was processed.
        is_complete: False if frames after that one exceed the time limit or cannot be decoded.
        emotions: the names of the K emotions.
    """

    path: Path
    name: str
    rows: list[Row]
    mean_probabilities: dict[int, np.ndarray]
    seconds: float
    is_complete: bool
    emotions: Emotions = EMOTIONS


class VideoJobs:
    """Annotated videos in `folder`: those of each session's last upload.

    Args:
        tta: views of each face to average over (test-time augmentation).
        smoothing: time constant in seconds of the moving average of each face's probabilities; 0 disables it.
        max_seconds: length of the part of a video that is processed.
    """

    def __init__(self, folder: Path, *, tta: int, smoothing: float, max_seconds: float):
        self.folder, self.tta, self.smoothing, self.max_seconds = folder, tta, smoothing, max_seconds
        self.paths: dict[str, list[Path]] = {}

    def begin(self, session_id: str) -> None:
        """Begin a session's upload: delete the videos of its previous one."""
        self.discard(session_id)
        self.paths[session_id] = []

    def annotate(
        self, path: Path, session_id: str, classifier: SharedClassifier, progress: Callable[[float], None]
    ) -> AnnotatedVideo:
        """Recognize and annotate the faces of a video of the session's upload, after `begin`.

        Args:
            progress: called after each frame with the completed fraction.

        Raises:
            ValueError: the file is not a video, or the session has ended meanwhile.
        """
        reader = IsolatedVideoReader(path)
        frame_pipeline = FramePipeline(classifier, tta=self.tta, smoothing=self.smoothing)
        # The name is random because everyone who knows it can download the file.
        annotated_path = self.folder / f"{secrets.token_hex(16)}.mp4"
        self.paths.get(session_id, []).append(annotated_path)
        rows: list[Row] = []
        probabilities: dict[int, list[np.ndarray]] = {}
        seconds, is_complete, frames_expected = 0.0, True, self._count_frames(reader)
        with closing(annotate_video(reader, frame_pipeline, annotated_path, resize=limit_size)) as frames:
            for frame, faces in frames:
                is_complete = frame.seconds <= self.max_seconds
                if not is_complete or session_id not in self.paths:
                    break
                seconds = frame.seconds
                for face in faces:
                    probabilities.setdefault(face.track_id, []).append(face.probabilities)
                rows += to_rows(path.name, faces, frame.number, seconds)
                progress(min(1.0, frame.number / frames_expected))
        if session_id not in self.paths:
            annotated_path.unlink(missing_ok=True)
            raise ValueError(f"{path} was not processed completely because its page was closed.")
        means = {track_id: np.mean(values, axis=0) for track_id, values in probabilities.items()}
        is_complete = is_complete and not reader.is_incomplete
        emotions = classifier.emotions
        return AnnotatedVideo(annotated_path, path.name, rows, means, seconds, is_complete, emotions)

    def discard(self, session_id: str) -> None:
        """Delete a session's videos, if it has any."""
        for path in self.paths.pop(session_id, []):
            path.unlink(missing_ok=True)

    def _count_frames(self, reader: IsolatedVideoReader) -> float:
        """Return how many frames of a video will be processed, at least 1; an estimate."""
        max_frames = self.max_seconds * reader.fps
        return max(1.0, min(reader.frame_count or max_frames, max_frames))
