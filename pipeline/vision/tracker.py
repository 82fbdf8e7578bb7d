"""Following faces from frame to frame, so that each keeps its number and its label doesn't flicker."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.vision.face_detector import intersection_over_min, iou
from pipeline.vision.recognition import FacePrediction

MIN_OVERLAP = 0.3  # overlap of two boxes, as a share of the smaller, from which they may be of one face
VELOCITY_TIME_CONSTANT_S = 0.2  # seconds over which the speed of a face is smoothed


@dataclass
class Track:
    """A face that is followed: where it was last, with its emotions smoothed over time, when, and how fast it moves.

    speed: to the right and down, in pixels per second.
    """

    last: FacePrediction
    seconds: float
    speed: tuple[float, float] = (0.0, 0.0)

    def expected(self, seconds: float) -> tuple[float, float, float, float]:
        """The box where the face will be if it goes on as it does."""
        left, top, width, height = self.last.face.box
        ahead = seconds - self.seconds
        return left + self.speed[0] * ahead, top + self.speed[1] * ahead, width, height

    def moved(self, face: FacePrediction, seconds: float) -> None:
        """The face was seen again, as `face`."""
        ahead = seconds - self.seconds
        if ahead > 0:
            share = 1 - math.exp(-ahead / VELOCITY_TIME_CONSTANT_S)
            moved = np.subtract(face.face.center, self.last.face.center)
            right, down = share * moved / ahead + (1 - share) * np.array(self.speed)
            self.speed = float(right), float(down)
        self.last, self.seconds = face, seconds


class Tracker:
    """Gives the faces of a video numbers that stay, and probabilities (7,) that are smoothed.

    smoothing: seconds after which what was seen counts for 1/e of what is seen now; 0 smooths nothing.
    max_age: seconds for which a face that has gone keeps its number.
    A face is the one that was expected where its box is, each going on as it moved before, so that two that cross
    keep their numbers. One that suddenly moves by more than its own size gets a new one.
    """

    def __init__(self, smoothing: float = 0.4, max_age: float = 1.0):
        self.smoothing, self.max_age = smoothing, max_age
        self.tracks: list[Track] = []
        self.given = 0  # numbers so far

    def update(self, faces: list[FacePrediction], seconds: float) -> list[FacePrediction]:
        """The faces of the frame at `seconds`, in their order, with their numbers and smoothed probabilities."""
        self.tracks = [track for track in self.tracks if seconds - track.seconds <= self.max_age]
        expected = [track.expected(seconds) for track in self.tracks]
        pairs = [
            (iou(expected[known], face.face.box), known, new)
            for known, track in enumerate(self.tracks)
            for new, face in enumerate(faces)
            if max(
                intersection_over_min(box, face.face.box) for box in (expected[known], track.last.face.box)
            )
            >= MIN_OVERLAP
        ]
        track_of: dict[int, Track] = {}
        for _, known, new in sorted(pairs, reverse=True):
            taken = any(track is self.tracks[known] for track in track_of.values())
            if new not in track_of and not taken:
                track_of[new] = self.tracks[known]
        return [self._told(face, track_of.get(new), seconds) for new, face in enumerate(faces)]

    def _told(self, face: FacePrediction, track: Track | None, seconds: float) -> FacePrediction:
        if track is None:
            self.given += 1
            track = Track(replace(face, track_id=self.given), seconds)
            self.tracks.append(track)
            return track.last
        share = 1.0 if not self.smoothing else 1 - math.exp(-(seconds - track.seconds) / self.smoothing)
        smoothed = share * face.probabilities + (1 - share) * track.last.probabilities
        told = replace(face, track_id=track.last.track_id, probabilities=smoothed.astype(np.float32))
        track.moved(told, seconds)
        return told
