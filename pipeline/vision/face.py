"""Define Face, the bounding box and the landmarks of a detected face."""

import math
from dataclasses import dataclass, replace

Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Face:
    """A detected face, in pixel coordinates of the image; it may extend beyond the image's edges.

    Attributes:
        box: left, top, width and height of the bounding box of the upright face. The box of a rotated face is this
            one, rotated by `roll` about its center.
        score: confidence of the detector, 0 to 1.
        landmarks: (x, y) of five points, as seen by the viewer of an upright face: left eye, right eye, tip of the
            nose, left and right corner of the mouth. Empty where the detector gives none.
    """

    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) of the center of the bounding box."""
        left, top, width, height = self.box
        return left + width / 2, top + height / 2

    @property
    def size(self) -> float:
        """The longer side of the bounding box, in pixels."""
        return max(self.box[2:])

    def scaled(self, x_scale: float, y_scale: float) -> "Face":
        """Return the face in the coordinates of an image that is larger by these factors."""
        left, top, width, height = self.box
        return replace(
            self,
            box=(left * x_scale, top * y_scale, width * x_scale, height * y_scale),
            landmarks=tuple((x * x_scale, y * y_scale) for x, y in self.landmarks),
        )

    @property
    def roll(self) -> float:
        """In-plane rotation of the line through the eyes, in degrees clockwise, -180 to 180; 0 without landmarks."""
        if not self.landmarks:
            return 0.0
        (left_x, left_y), (right_x, right_y) = self.landmarks[:2]
        return math.degrees(math.atan2(right_y - left_y, right_x - left_x))


def intersection_over_min(first: Box, second: Box) -> float:
    """Return the intersection of two boxes, relative to the area of the smaller box: 0 to 1."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height) / min(first[2] * first[3], second[2] * second[3])


def iou(first: Box, second: Box) -> float:
    """Return the intersection over union (IoU) of two boxes: 0 if disjoint, 1 if equal."""
    areas = first[2] * first[3], second[2] * second[3]
    intersection = intersection_over_min(first, second) * min(areas)
    return intersection / (sum(areas) - intersection)
