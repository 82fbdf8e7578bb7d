"""Place the tags of recognized faces on an image: panels with bars, labels, or numbers, as there is room.

A tag covers neither another face nor another tag. A number alone, the last resort, may cover the edge of its own face.
"""

import importlib.util
import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.data.fer2013 import Emotions
from pipeline.vision.recognition import FacePrediction

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are outside

LINE_HEIGHT = 1.35  # relative to the text size
BAR_LENGTH = 4  # of 100%, relative to the text size
MIN_BAR_TEXT_SIZE = 9  # pixels
SMALL_TEXT = 0.65  # size of a label where the usual one has no room, relative to that
MAX_COVERED = 0.25  # share of the height of its own face that a label may cover


@dataclass(frozen=True)
class Tag:
    """What is written about a face, and where.

    Attributes:
        prediction: the face.
        text: its number, or its number, emotion and confidence; "" for the panel with bars.
        rectangle: left, top, right and bottom in pixels, inside the image.
        text_size: in pixels.
    """

    prediction: FacePrediction
    text: str
    rectangle: Rectangle
    text_size: int


def place_tags(
    predictions: list[FacePrediction], image_size: tuple[int, int], text_size: int, bars: bool
) -> list[Tag]:
    """Return the tags of all faces: a label or number for each, and panels where they fit.

    Args:
        predictions: of the faces, the largest first, which chooses first.
        image_size: height and width of the image.
        text_size: of a label, in pixels; the bars have three quarters of it.
        bars: whether to place panels with bars.
    """
    faces = {index: bounding_rectangle(prediction) for index, prediction in enumerate(predictions)}
    tags: list[Tag] = []
    for index, prediction in enumerate(predictions):
        others = [faces[other] for other in faces if other != index] + [tag.rectangle for tag in tags]
        tags.append(_place_label(prediction, others, image_size, text_size))
    bar_text_size = max(MIN_BAR_TEXT_SIZE, text_size * 3 // 4)
    for prediction in predictions if bars else ():
        size = measure_panel(prediction.emotions, bar_text_size)
        obstacles = [*faces.values(), *(tag.rectangle for tag in tags)]
        positions = _positions_beside(bounding_rectangle(prediction), size, text_size // 2, image_size)
        rectangle = _find_free(positions, size, obstacles, image_size)
        if rectangle:
            tags.append(Tag(prediction, "", rectangle, bar_text_size))
    return tags


def _place_label(
    prediction: FacePrediction, others: list[Rectangle], image_size: tuple[int, int], text_size: int
) -> Tag:
    """Return the label of a face where it fits outside or at an edge of its box, else its number."""
    box = bounding_rectangle(prediction)
    number = str(prediction.track_id)
    full_text = f"{number}: {prediction.emotion} {prediction.confidence:.0%}"
    small_size = max(MIN_BAR_TEXT_SIZE, round(SMALL_TEXT * text_size))
    for text in (full_text, number):
        for size in (text_size, small_size):
            extent = measure_label(text, size)
            may_cover = extent[1] <= MAX_COVERED * (box[3] - box[1]) and extent[0] <= box[2] - box[0]
            rectangle = _find_free(
                _positions_outside(box, extent, image_size), extent, [*others, box], image_size
            )
            if not rectangle and may_cover:
                rectangle = _find_free(_positions_inside(box, extent), extent, others, image_size)
            if rectangle:
                return Tag(prediction, text, rectangle, size)
    extent = measure_label(number, small_size)
    positions = [*_positions_inside(box, extent)]
    rectangles = [_move_inside(position, extent, image_size) for position in positions]
    rectangle = min(rectangles, key=lambda rectangle: sum(_overlap(rectangle, other) for other in others))
    return Tag(prediction, number, rectangle, small_size)


# --------------------------------------------------------------------------------------------------
# Sizes
# --------------------------------------------------------------------------------------------------
def measure_label(text: str, text_size: int) -> tuple[int, int]:
    """Return width and height of a label."""
    return render_text(text, text_size).shape[1] + text_size, round(1.5 * text_size)


def measure_panel(emotions: Emotions, text_size: int) -> tuple[int, int]:
    """Return width and height of a panel: the face's number, then names, tracks and percentages of the emotions."""
    percent_width = render_text("100%", text_size).shape[1]
    width = widest_name(emotions, text_size) + (BAR_LENGTH + 2) * text_size + percent_width
    return width, round(LINE_HEIGHT * text_size) * (1 + len(emotions)) + text_size // 2


def widest_name(emotions: Emotions, text_size: int) -> int:
    """Return the width of the longest name of an emotion."""
    return max(render_text(emotion, text_size).shape[1] for emotion in emotions)


@lru_cache(maxsize=1024)
def render_text(text: str, text_size: int) -> np.ndarray:
    """Render a line of text as a mask (height, width) uint8: 0 for the background, 255 for the letters.

    Pillow's font has ASCII only. Other letters are from Matplotlib's; where that is not installed, they lose accents.
    """
    font = ImageFont.load_default(text_size)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        if path := _find_unicode_font():
            font = ImageFont.truetype(path, text_size)
        else:
            text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or "?"
    left, _, right, _ = font.getbbox(text)
    mask = Image.new("L", (math.ceil(right - left), round(LINE_HEIGHT * text_size)))
    ImageDraw.Draw(mask).text((-left, 0), text, fill=255, font=font)
    return np.asarray(mask)


@lru_cache
def _find_unicode_font() -> Path | None:
    """Return the file of Matplotlib's font without importing Matplotlib, or None."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return path if path.is_file() else None


# --------------------------------------------------------------------------------------------------
# Positions
# --------------------------------------------------------------------------------------------------
def _positions_outside(
    box: Rectangle, extent: tuple[int, int], image_size: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield left and top of a label above and below a box, aligned with its left or right side, within the image."""
    left, top, right, bottom = box
    for y in (top - extent[1], bottom + 1):
        for x in (left, right - extent[0]):
            yield max(0, min(x, image_size[1] - extent[0])), y


def _positions_inside(box: Rectangle, extent: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield left and top of a label in the corners of a box."""
    left, top, right, bottom = box
    for y in (top, bottom - extent[1]):
        yield from ((left, y), (right - extent[0], y))


def _positions_beside(
    box: Rectangle, extent: tuple[int, int], gap: int, image_size: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield left and top of a panel to the right and left of a box, then below and above it."""
    left, top, right, bottom = box
    height, width = image_size
    y = max(0, min(top, height - extent[1]))
    yield from ((right + gap, y), (left - gap - extent[0], y))
    x = max(0, min(left, width - extent[0]))
    yield from ((x, bottom + gap), (x, top - gap - extent[1]))


def _find_free(
    positions: Iterator[tuple[int, int]],
    extent: tuple[int, int],
    obstacles: list[Rectangle],
    image_size: tuple[int, int],
) -> Rectangle | None:
    """Return the first rectangle that is inside the image and covers no obstacle."""
    height, width = image_size
    for left, top in positions:
        rectangle = (left, top, left + extent[0], top + extent[1])
        is_inside = left >= 0 and top >= 0 and rectangle[2] <= width and rectangle[3] <= height
        if is_inside and not any(_overlap(rectangle, obstacle) for obstacle in obstacles):
            return rectangle
    return None


def _move_inside(
    position: tuple[int, int], extent: tuple[int, int], image_size: tuple[int, int]
) -> Rectangle:
    """Return the rectangle at a position, moved and cut so that it is inside the image."""
    height, width = image_size
    left, top = max(0, min(position[0], width - extent[0])), max(0, min(position[1], height - extent[1]))
    return left, top, min(width, left + extent[0]), min(height, top + extent[1])


def _overlap(first: Rectangle, second: Rectangle) -> int:
    """Return the area in square pixels that two rectangles have in common."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0, width) * max(0, height)


def box_corners(prediction: FacePrediction) -> np.ndarray:
    """Return the corners (4, 2) int32 of a face's box, rotated by its roll."""
    face = prediction.face
    _, _, width, height = face.box
    corners = cv2.boxPoints((face.center, (width, height), face.roll))
    return np.rint(corners).astype(np.int32)


def bounding_rectangle(prediction: FacePrediction) -> Rectangle:
    """Return left, top, right and bottom of the axis-aligned rectangle around a face's rotated box."""
    corners = box_corners(prediction)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return int(left), int(top), int(right), int(bottom)
