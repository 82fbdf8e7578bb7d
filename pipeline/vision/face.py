"""Where a face is in a picture."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels of the picture; it may reach over the picture's edge.

    box: left, top, width, height, as they are with the face turned upright about the box's center.
    score: 0 to 1, how sure the finder is.
    landmarks: (x, y) of the eye that is on the left of an upright face, the other eye, the tip of the nose, the
    left and the right corner of the mouth; none where the fallback found it.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()

    @property
    def center(self) -> tuple[float, float]:
        left, top, width, height = self.box
        return left + width / 2, top + height / 2

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels."""
        return max(self.box[2:])

    @property
    def roll(self) -> float:
        """Degrees, -180 to 180, by which the line of the eyes is turned clockwise; 0 where it is not known."""
        if not self.landmarks:
            return 0.0
        (left, top), (right, bottom) = self.landmarks[:2]
        return math.degrees(math.atan2(bottom - top, right - left))
