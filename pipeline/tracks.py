"""Following faces from frame to frame, so that each keeps its number and its label doesn't flicker."""

import math
from dataclasses import dataclass, replace

from pipeline.faces import likeness, overlap
from pipeline.recognition import Recognised

import numpy as np

NEAR = 0.3  # overlap of two boxes, as a share of the smaller, from which they may be of one face
SPEED_OVER = 0.2  # seconds over which the speed of a face is smoothed


@dataclass
class Track:
    """A face that is followed: where it was last, with its emotions smoothed over time, when, and how fast it moves.

    speed: to the right and down, in pixels per second.
    """

    last: Recognised
    seconds: float
    speed: tuple[float, float] = (0.0, 0.0)

    def expected(self, seconds: float) -> tuple[float, float, float, float]:
        """The box where the face will be if it goes on as it does."""
        left, top, width, height = self.last.face.box
        ahead = seconds - self.seconds
        return left + self.speed[0] * ahead, top + self.speed[1] * ahead, width, height

    def moved(self, face: Recognised, seconds: float) -> None:
        """The face was seen again, as `face`."""
        ahead = seconds - self.seconds
        if ahead > 0:
            share = 1 - math.exp(-ahead / SPEED_OVER)
            moved = np.subtract(face.face.centre, self.last.face.centre)
            right, down = share * moved / ahead + (1 - share) * np.array(self.speed)
            self.speed = float(right), float(down)
        self.last, self.seconds = face, seconds


class Tracker:
    """Gives the faces of a video numbers that stay, and probabilities (7,) that are smoothed.

    smoothing: seconds after which what was seen counts for 1/e of what is seen now; 0 smooths nothing.
    patience: seconds for which a face that has gone keeps its number.
    A face is the one that was expected where its box is, each going on as it moved before, so that two that cross
    keep their numbers. One that suddenly moves by more than its own size gets a new one.
    """

    def __init__(self, smoothing: float = 0.4, patience: float = 1.0):
        self.smoothing, self.patience = smoothing, patience
        self.tracks: list[Track] = []
        self.given = 0  # numbers so far

    def follow(self, faces: list[Recognised], seconds: float) -> list[Recognised]:
        """The faces of the frame at `seconds`, in their order, with their numbers and smoothed probabilities."""
        self.tracks = [track for track in self.tracks if seconds - track.seconds <= self.patience]
        expected = [track.expected(seconds) for track in self.tracks]
        pairs = [
            (likeness(expected[known], face.face.box), known, new)
            for known, track in enumerate(self.tracks)
            for new, face in enumerate(faces)
            if max(overlap(box, face.face.box) for box in (expected[known], track.last.face.box)) >= NEAR
        ]
        track_of: dict[int, Track] = {}
        for _, known, new in sorted(pairs, reverse=True):
            taken = any(track is self.tracks[known] for track in track_of.values())
            if new not in track_of and not taken:
                track_of[new] = self.tracks[known]
        return [self._told(face, track_of.get(new), seconds) for new, face in enumerate(faces)]

    def _told(self, face: Recognised, track: Track | None, seconds: float) -> Recognised:
        if track is None:
            self.given += 1
            track = Track(replace(face, number=self.given), seconds)
            self.tracks.append(track)
            return track.last
        share = 1.0 if not self.smoothing else 1 - math.exp(-(seconds - track.seconds) / self.smoothing)
        smoothed = share * face.probabilities + (1 - share) * track.last.probabilities
        told = replace(face, number=track.last.number, probabilities=smoothed.astype(np.float32))
        track.moved(told, seconds)
        return told
