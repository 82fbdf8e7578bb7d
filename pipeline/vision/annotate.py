"""Draw recognized faces on an image: a box in the color of the emotion, a label, and a bar for each emotion."""

import math
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.image_io import LoadedImage
from pipeline.figures.palette import EMOTION_COLORS, to_rgb
from pipeline.vision.recognition import FacePrediction

RGB = tuple[int, int, int]

EMOTION_RGB = {emotion: to_rgb(color) for emotion, color in EMOTION_COLORS.items()}
LIGHT_RGB, DARK_RGB = (255, 255, 255), (24, 24, 24)
MAX_DARK_LUMINANCE = 140  # 0 to 255; text on brighter colors is dark
PANEL_TRANSPARENCY = 0.35  # weight of the image behind the bars
MAX_COPY_PIXELS = 100_000_000  # of an annotated copy, which takes 0.7 GB of memory
MIN_TEXT_SIZE, MIN_BAR_TEXT_SIZE = 12, 9  # pixels
LINE_HEIGHT = 1.35  # relative to the text size


def annotated_copy(image: LoadedImage, predictions: list[FacePrediction], bars: bool = True) -> np.ndarray:
    """Return a copy of an image with the faces drawn on it, in the size of its file.

    The copy of a file of more than MAX_COPY_PIXELS has the size of `image.pixels`.

    Args:
        predictions: of its faces, the largest first, in coordinates of the file's image.
        bars: whether to draw a bar for each emotion, where the image has room beside the face.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    width, height = image.file_size
    if width * height <= MAX_COPY_PIXELS:
        copy = cv2.resize(image.pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        x_scale, y_scale = image.scale
        predictions = [prediction.scaled(1 / x_scale, 1 / y_scale) for prediction in predictions]
        copy = image.pixels.copy()
    annotate_faces(copy, predictions, bars)
    return copy


def annotate_faces(image: np.ndarray, predictions: list[FacePrediction], bars: bool = True) -> None:
    """Draw the faces on an image, in place.

    Args:
        image: (height, width, 3) uint8 RGB.
        predictions: of its faces, the largest first.
        bars: whether to draw a bar for each emotion, where the image has room beside the face.
    """
    text_size = choose_text_size(image)
    for prediction in reversed(predictions):  # the largest last, on top
        color = EMOTION_RGB[prediction.emotion]
        thickness = max(2, text_size // 7)
        cv2.polylines(
            image, [box_corners(prediction)], True, color, thickness=thickness, lineType=cv2.LINE_AA
        )
    for prediction in reversed(predictions):
        left, top, right, _ = bounding_rectangle(prediction)
        label = f"{prediction.emotion} {prediction.confidence:.0%}"
        color = EMOTION_RGB[prediction.emotion]
        draw_label(image, label, left, top - round(1.5 * text_size), text_size, color)
        if bars:
            draw_bars(image, prediction, right + text_size // 2, top, text_size)


def draw_bars(image: np.ndarray, prediction: FacePrediction, left: int, top: int, text_size: int) -> None:
    """Draw the seven probabilities of a face to the right of it, else to the left, else not at all.

    Args:
        left, top: preferred position.
        text_size: of the face's label; the bars have three quarters of it.
    """
    size = max(MIN_BAR_TEXT_SIZE, text_size * 3 // 4)
    line_height = round(LINE_HEIGHT * size)
    names_width = max(render_text(emotion, size).shape[1] for emotion in EMOTIONS)
    width, height = names_width + 5 * size, line_height * len(EMOTIONS) + size // 2
    if left + width > image.shape[1]:
        left = bounding_rectangle(prediction)[0] - size // 2 - width
    top = min(max(0, top), image.shape[0] - height)
    if not 0 <= left <= image.shape[1] - width or top < 0:
        return
    panel = image[top : top + height, left : left + width]
    panel[...] = cv2.addWeighted(
        panel, PANEL_TRANSPARENCY, np.full_like(panel, DARK_RGB[0]), 1 - PANEL_TRANSPARENCY, 0
    )
    bar_left = left + names_width + 2 * size // 3
    for line, (emotion, probability) in enumerate(zip(EMOTIONS, prediction.probabilities, strict=True)):
        y = top + size // 4 + line * line_height
        blend_text(image, render_text(emotion, size), left + size // 3, y, LIGHT_RGB)
        bar_right = bar_left + round(float(probability) * (4 * size))
        image[y + size // 4 : y + size + size // 4, bar_left : bar_right + 1] = EMOTION_RGB[emotion]


def draw_label(image: np.ndarray, text: str, left: int, top: int, text_size: int, color: RGB) -> None:
    """Draw a line of text on a rectangle of a color, moved so that it is inside the image."""
    mask = render_text(text, text_size)
    height, width = round(1.5 * text_size), mask.shape[1] + text_size
    left = max(0, min(left, image.shape[1] - width))
    top = max(0, min(top, image.shape[0] - height))
    image[top : top + height, left : left + width] = color
    blend_text(image, mask, left + text_size // 2, top + text_size // 8, contrasting_color(color))


def choose_text_size(image: np.ndarray) -> int:
    """Return a legible text size for an image, in pixels."""
    return max(MIN_TEXT_SIZE, round(min(image.shape[:2]) / 32))


def contrasting_color(color: RGB) -> RGB:
    """Return the text color, light or dark, that is more legible on a background color."""
    red, green, blue = color
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return LIGHT_RGB if luminance < MAX_DARK_LUMINANCE else DARK_RGB


@lru_cache(maxsize=256)
def render_text(text: str, text_size: int) -> np.ndarray:
    """Render a line of text as a mask (height, width) uint8: 0 for the background, 255 for the letters."""
    font = ImageFont.load_default(text_size)
    left, _, right, _ = font.getbbox(text)
    mask = Image.new("L", (math.ceil(right - left), round(LINE_HEIGHT * text_size)))
    ImageDraw.Draw(mask).text((-left, 0), text, fill=255, font=font)
    return np.asarray(mask)


def blend_text(image: np.ndarray, mask: np.ndarray, left: int, top: int, color: RGB) -> None:
    """Draw text from `render_text` on an image, clipped to it."""
    background = image[top : top + mask.shape[0], left : left + mask.shape[1]]
    alpha = mask[: background.shape[0], : background.shape[1], np.newaxis].astype(np.uint16)
    background[...] = (background * (255 - alpha) + np.array(color, np.uint16) * alpha) // 255


def box_corners(prediction: FacePrediction) -> np.ndarray:
    """Return the corners (4, 2) int32 of a face's box, rotated by its roll."""
    face = prediction.face
    _, _, width, height = face.box
    corners = cv2.boxPoints((face.center, (width, height), face.roll))
    return np.rint(corners).astype(np.int32)


def bounding_rectangle(prediction: FacePrediction) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the axis-aligned rectangle around a face's rotated box."""
    corners = box_corners(prediction)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return int(left), int(top), int(right), int(bottom)
