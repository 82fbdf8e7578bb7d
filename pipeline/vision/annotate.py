"""What was recognized, drawn on the picture: a box in the emotion's color, its name, and a bar for each emotion."""

import math
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures.palette import EMOTION_COLORS, to_rgb
from pipeline.vision.recognition import FacePrediction

INK, PAPER = (255, 255, 255), (24, 24, 24)
SHADE = 0.35  # of the picture that shines through behind the bars
EMOTION_RGB = {name: to_rgb(color) for name, color in EMOTION_COLORS.items()}
RGB = tuple[int, int, int]


def annotate_faces(picture: np.ndarray, faces: list[FacePrediction], bars: bool = True) -> None:
    """Draw the faces on a picture (height, width, 3) uint8 RGB, in place; the bars where the picture has room."""
    size = text_size(picture)
    for face in reversed(faces):  # the largest last, on top
        color = EMOTION_RGB[face.emotion]
        cv2.polylines(
            picture, [box_corners(face)], True, color, thickness=max(2, size // 7), lineType=cv2.LINE_AA
        )
    for face in reversed(faces):
        left, top, right, _ = bounding_rectangle(face)
        label = f"{face.emotion} {face.confidence:.0%}"
        draw_label(picture, label, left, top - round(1.5 * size), size, EMOTION_RGB[face.emotion])
        if bars:
            draw_bars(picture, face, right + size // 2, top, size)


def draw_bars(picture: np.ndarray, face: FacePrediction, left: int, top: int, size: int) -> None:
    """The seven probabilities of a face, right of it, or left where the picture ends; none where neither has room."""
    size = max(9, size * 3 // 4)
    line, names = round(1.35 * size), max(render_text(name, size).shape[1] for name in EMOTIONS)
    width, height = names + 5 * size, line * len(EMOTIONS) + size // 2
    if left + width > picture.shape[1]:
        left = bounding_rectangle(face)[0] - size // 2 - width
    top = min(max(0, top), picture.shape[0] - height)
    if not 0 <= left <= picture.shape[1] - width or top < 0:
        return
    behind = picture[top : top + height, left : left + width]
    behind[...] = cv2.addWeighted(behind, SHADE, np.full_like(behind, PAPER[0]), 1 - SHADE, 0)
    for place, (name, probability) in enumerate(zip(EMOTIONS, face.probabilities, strict=True)):
        y = top + size // 4 + place * line
        blend_text(picture, render_text(name, size), left + size // 3, y, INK)
        start = left + names + 2 * size // 3
        end = start + round(float(probability) * (4 * size))
        picture[y + size // 4 : y + size + size // 4, start : end + 1] = EMOTION_RGB[name]


def draw_label(picture: np.ndarray, text: str, left: int, top: int, size: int, color: RGB) -> None:
    """A line of text on a ground of that color, moved so that it is within the picture."""
    mask = render_text(text, size)
    height, width = round(1.5 * size), mask.shape[1] + size
    left = max(0, min(left, picture.shape[1] - width))
    top = max(0, min(top, picture.shape[0] - height))
    picture[top : top + height, left : left + width] = color
    blend_text(picture, mask, left + size // 2, top + size // 8, contrasting_color(color))


def text_size(picture: np.ndarray) -> int:
    """Pixels in height of letters that are well read on a picture."""
    return max(12, round(min(picture.shape[:2]) / 32))


def contrasting_color(color: RGB) -> RGB:
    """White or black, whichever stands out more."""
    red, green, blue = color
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else PAPER


@lru_cache(maxsize=256)
def render_text(text: str, size: int) -> np.ndarray:
    """A line of text as (height, width) uint8, from 0 where the ground shows to 255 where the letters are."""
    font = ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(text)
    picture = Image.new("L", (math.ceil(right - left), round(1.35 * size)))
    ImageDraw.Draw(picture).text((-left, 0), text, fill=255, font=font)
    return np.asarray(picture)


def blend_text(picture: np.ndarray, mask: np.ndarray, left: int, top: int, color: RGB) -> None:
    """Lay a stamp on a picture; what reaches over the edge is left out."""
    under = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
    share = mask[: under.shape[0], : under.shape[1], np.newaxis].astype(np.uint16)
    under[...] = (under * (255 - share) + np.array(color, np.uint16) * share) // 255


def box_corners(face: FacePrediction) -> np.ndarray:
    """The corners of a face's box (4, 2) int32, turned as the face is."""
    _, _, width, height = face.face.box
    turned = cv2.boxPoints((face.face.center, (width, height), face.face.roll))
    return np.rint(turned).astype(np.int32)


def bounding_rectangle(face: FacePrediction) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the upright box around a face's turned one."""
    (left, top), (right, bottom) = box_corners(face).min(axis=0), box_corners(face).max(axis=0)
    return int(left), int(top), int(right), int(bottom)
