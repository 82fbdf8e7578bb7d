"""Draw recognized faces on an image: a box in the color of the emotion, the face's number, and what there is room for.

That is the emotion with its confidence and, on a panel beside the face, a bar for each emotion.
"""

import cv2
import numpy as np

from pipeline.data.image_io import LoadedImage
from pipeline.figures.palette import EMOTION_COLORS, get_colors, to_rgb
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.tag_layout import (
    BAR_LENGTH,
    LINE_HEIGHT,
    Tag,
    box_corners,
    place_tags,
    render_text,
    widest_name,
)

RGB = tuple[int, int, int]

EMOTION_RGB = {emotion: to_rgb(color) for emotion, color in EMOTION_COLORS.items()}
LIGHT_RGB, DARK_RGB = (255, 255, 255), (24, 24, 24)
TRACK_RGB = (78, 78, 88)  # behind a bar, as long as a bar of 100%
MAX_DARK_LUMINANCE = 140  # 0 to 255; text on brighter colors is dark
PANEL_TRANSPARENCY = 0.1  # weight of the image behind the bars; more would hide the tracks on a bright image
MAX_COPY_PIXELS = 100_000_000  # of an annotated copy, which takes 0.7 GB of memory
MIN_TEXT_SIZE = 12  # pixels


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
    tags = place_tags(predictions, image.shape[:2], text_size, bars)
    for prediction in reversed(predictions):  # the largest last, on top
        color = get_color(prediction)
        thickness = max(2, text_size // 7)
        cv2.polylines(
            image, [box_corners(prediction)], True, color, thickness=thickness, lineType=cv2.LINE_AA
        )
    for tag in tags:
        if tag.text:
            draw_label(image, tag, get_color(tag.prediction))
        else:
            draw_bars(image, tag)


def draw_bars(image: np.ndarray, tag: Tag) -> None:
    """Draw the number and the probabilities of a face on a dark panel: name, bar on a track of 100%, percent."""
    left, top, right, bottom = tag.rectangle
    panel = image[top:bottom, left:right]
    panel[...] = cv2.addWeighted(
        panel, PANEL_TRANSPARENCY, np.full_like(panel, DARK_RGB[0]), 1 - PANEL_TRANSPARENCY, 0
    )
    size = tag.text_size
    colors = get_colors(tag.prediction.emotions)
    bar_left = left + widest_name(tag.prediction.emotions, size) + 2 * size // 3
    heading = render_text(f"Face {tag.prediction.track_id}", size)
    blend_text(image, heading, left + size // 3, top + size // 4, LIGHT_RGB)
    lines = zip(colors.items(), tag.prediction.probabilities, strict=True)
    for line, ((emotion, color), probability) in enumerate(lines, start=1):
        y = top + size // 4 + line * round(LINE_HEIGHT * size)
        blend_text(image, render_text(emotion, size), left + size // 3, y, LIGHT_RGB)
        bar = slice(y + size // 4, y + size + size // 4)
        image[bar, bar_left : bar_left + BAR_LENGTH * size] = TRACK_RGB
        bar_right = bar_left + round(float(probability) * (BAR_LENGTH * size))
        image[bar, bar_left:bar_right] = to_rgb(color)
        percent = render_text(f"{probability:.0%}", size)
        blend_text(image, percent, right - size // 3 - percent.shape[1], y, LIGHT_RGB)


def get_color(prediction: FacePrediction) -> RGB:
    """Return the color of the most probable emotion of a face."""
    return to_rgb(get_colors(prediction.emotions)[prediction.emotion])


def draw_label(image: np.ndarray, tag: Tag, color: RGB) -> None:
    """Draw a line of text on a rectangle of a color."""
    left, top, right, bottom = tag.rectangle
    image[top:bottom, left:right] = color
    mask = render_text(tag.text, tag.text_size)
    position = left + tag.text_size // 2, top + tag.text_size // 8
    blend_text(image, mask, *position, contrasting_color(color))


def choose_text_size(image: np.ndarray) -> int:
    """Return a legible text size for an image, in pixels."""
    return max(MIN_TEXT_SIZE, round(min(image.shape[:2]) / 32))


def contrasting_color(color: RGB) -> RGB:
    """Return the text color, light or dark, that is more legible on a background color."""
    red, green, blue = color
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return LIGHT_RGB if luminance < MAX_DARK_LUMINANCE else DARK_RGB


def blend_text(image: np.ndarray, mask: np.ndarray, left: int, top: int, color: RGB) -> None:
    """Draw text from `render_text` on an image, clipped to it."""
    background = image[top : top + mask.shape[0], left : left + mask.shape[1]]
    alpha = mask[: background.shape[0], : background.shape[1], np.newaxis].astype(np.uint16)
    background[...] = (background * (255 - alpha) + np.array(color, np.uint16) * alpha) // 255
