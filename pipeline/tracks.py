"""Following faces from frame to frame, so that each keeps its number and its label doesn't flicker."""

import math
from dataclasses import dataclass, replace

from pipeline.faces import overlap
from pipeline.recognition import Recognised

import numpy as np

NEAR = 0.3  # overlap of two boxes, as a share of the smaller, from which they may be of one face


@dataclass
class Track:
    """A face that is followed: where it was last, when, and its emotions smoothed over time."""

    last: Recognised
    seconds: float


class Tracker:
    """Gives the faces of a video numbers that stay, and probabilities (7,) that are smoothed.

    smoothing: seconds after which what was seen counts for 1/e of what is seen now; 0 smooths nothing.
    patience: seconds for which a face that has gone keeps its number.
    A face is the one of the frame before whose box overlaps it most. One that moves by more than its own size from
    frame to frame gets a new number.
    """

    def __init__(self, smoothing: float = 0.4, patience: float = 1.0):
        self.smoothing, self.patience = smoothing, patience
        self.tracks: list[Track] = []
        self.given = 0  # numbers so far

    def follow(self, faces: list[Recognised], seconds: float) -> list[Recognised]:
        """The faces of the frame at `seconds`, in their order, with their numbers and smoothed probabilities."""
        self.tracks = [track for track in self.tracks if seconds - track.seconds <= self.patience]
        pairs = [
            (overlap(track.last.face.box, face.face.box), known, new)
            for known, track in enumerate(self.tracks)
            for new, face in enumerate(faces)
        ]
        track_of: dict[int, Track] = {}
        for share, known, new in sorted(pairs, reverse=True):
            taken = any(track is self.tracks[known] for track in track_of.values())
            if share >= NEAR and new not in track_of and not taken:
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
        track.last = replace(face, number=track.last.number, probabilities=smoothed.astype(np.float32))
        track.seconds = seconds
        return track.last
