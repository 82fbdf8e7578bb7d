"""Track faces from frame to frame, and smooth their probabilities over time."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.vision.face import Box, intersection_over_min, iou
from pipeline.vision.recognition import FacePrediction

MATCH_THRESHOLD = 0.3  # least intersection over the smaller area of two boxes that may be the same face
MAX_SMOOTHING_GAP_S = 1.0  # between two frames; beyond it they show different moments, which are not averaged
VELOCITY_TIME_CONSTANT_S = 0.2  # of the moving average of a track's velocity


@dataclass
class Track:
    """A face that is tracked.

    Attributes:
        prediction: the last one, with smoothed probabilities.
        seconds: its timestamp.
        velocity: (x, y) of the box, in pixels per second.
    """

    prediction: FacePrediction
    seconds: float
    velocity: tuple[float, float] = (0.0, 0.0)

    def extrapolate_box(self, seconds: float) -> Box:
        """Return the box expected at a timestamp, assuming constant velocity."""
        left, top, width, height = self.prediction.face.box
        elapsed = seconds - self.seconds
        return left + self.velocity[0] * elapsed, top + self.velocity[1] * elapsed, width, height

    def update(self, prediction: FacePrediction, seconds: float) -> None:
        """Set the last prediction, and update the velocity."""
        elapsed = seconds - self.seconds
        if elapsed > 0:
            weight = 1 - math.exp(-elapsed / VELOCITY_TIME_CONSTANT_S)
            displacement = np.subtract(prediction.face.center, self.prediction.face.center)
            x, y = weight * displacement / elapsed + (1 - weight) * np.array(self.velocity)
            self.velocity = float(x), float(y)
        self.prediction, self.seconds = prediction, seconds


class Tracker:
    """Assign track ids that persist from frame to frame, and smooth the probabilities exponentially.

    A face is matched to the track whose extrapolated box has the highest IoU with its own, so that faces that cross
    keep their track ids. A face that moves by more than its own size between two frames, faster than before, gets a
    new track id.

    Args:
        smoothing: time constant in seconds of the moving average of the probabilities; 0 disables it.
        max_age: seconds for which the track of a face that is no longer detected is kept.
    """

    def __init__(self, smoothing: float = 0.4, max_age: float = 1.0):
        self.smoothing, self.max_age = smoothing, max_age
        self.tracks: list[Track] = []
        self.last_track_id = 0

    def update(self, predictions: list[FacePrediction], seconds: float) -> list[FacePrediction]:
        """Process the next frame.

        Args:
            predictions: of the faces in the frame.
            seconds: timestamp of the frame.

        Returns:
            The predictions in the same order, with track ids and smoothed probabilities (K,) float32.
        """
        self.tracks = [track for track in self.tracks if seconds - track.seconds <= self.max_age]
        matches = self._match(predictions, seconds)
        return [
            self._continue_track(matches[index], prediction, seconds)
            if index in matches
            else self._start_track(prediction, seconds)
            for index, prediction in enumerate(predictions)
        ]

    def end_tracks(self) -> None:
        """Give all following faces new track ids, as after a cut."""
        self.tracks = []

    def _match(self, predictions: list[FacePrediction], seconds: float) -> dict[int, Track]:
        """Match predictions to tracks, greedily from the highest IoU; return the tracks by prediction index."""
        expected_boxes = [track.extrapolate_box(seconds) for track in self.tracks]
        pairs = [
            (iou(expected_box, prediction.face.box), track_index, prediction_index)
            for track_index, (track, expected_box) in enumerate(zip(self.tracks, expected_boxes, strict=True))
            for prediction_index, prediction in enumerate(predictions)
            if max(
                intersection_over_min(box, prediction.face.box)
                for box in (expected_box, track.prediction.face.box)
            )
            >= MATCH_THRESHOLD
        ]
        matches: dict[int, Track] = {}
        matched_tracks: set[int] = set()
        for _, track_index, prediction_index in sorted(pairs, reverse=True):
            if prediction_index not in matches and track_index not in matched_tracks:
                matches[prediction_index] = self.tracks[track_index]
                matched_tracks.add(track_index)
        return matches

    def _start_track(self, prediction: FacePrediction, seconds: float) -> FacePrediction:
        self.last_track_id += 1
        tracked = replace(prediction, track_id=self.last_track_id)
        self.tracks.append(Track(tracked, seconds))
        return tracked

    def _continue_track(self, track: Track, prediction: FacePrediction, seconds: float) -> FacePrediction:
        elapsed = seconds - track.seconds
        is_smoothed = self.smoothing and elapsed < MAX_SMOOTHING_GAP_S
        weight = 1 - math.exp(-elapsed / self.smoothing) if is_smoothed else 1.0
        smoothed = weight * prediction.probabilities + (1 - weight) * track.prediction.probabilities
        tracked = replace(
            prediction, track_id=track.prediction.track_id, probabilities=smoothed.astype(np.float32)
        )
        track.update(tracked, seconds)
        return tracked
