"""Read image files of all formats that Pillow supports: upright, 8 bits per channel, in bounded memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.fer2013 import SIDE
from pipeline.data.image_decoder import DAMAGED, open_image

MIN_SIDE = 20  # pixels, height and width; a smaller image cannot show a face


@dataclass(frozen=True)
class LoadedImage:
    """An image in memory, which may be smaller than in its file.

    Attributes:
        pixels: (height, width, 3) uint8 RGB, or (height, width) uint8 gray.
        file_size: width and height in pixels of the upright image in the file.
        notes: what is to be known about `pixels`, such as that the image was reduced.
    """

    pixels: np.ndarray
    file_size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> tuple[float, float]:
        """Factors, horizontal and vertical, from coordinates in `pixels` to coordinates in the file's image."""
        height, width = self.pixels.shape[:2]
        return self.file_size[0] / width, self.file_size[1] / height

    @property
    def is_damaged(self) -> bool:
        """Whether the file is cut off or damaged, so that a part of the image is missing."""
        return DAMAGED in self.notes


def read_image(path: str | Path) -> LoadedImage:
    """Read an image: upright, the first frame of an animation, transparency white.

    An image of more than MAX_PIXELS is reduced by a whole factor, so that 100 million pixels take a gigabyte of
    memory at most.

    Raises:
        ValueError: If the file is missing, not an image, so damaged that it shows nothing, smaller than 20x20 pixels,
            or a decompression bomb: larger than 500 million pixels as JPEG or 178,956,970 otherwise; names the file.
    """
    decoded = open_image(path)
    image, (file_width, file_height) = decoded.image, decoded.file_size
    if min(image.size) < MIN_SIDE:
        size = f"{image.width}x{image.height} pixels"
        raise ValueError(
            f"{path} has {size}, too small to show a face: {MIN_SIDE}x{MIN_SIDE} are the minimum."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    notes = decoded.notes
    if image.size != decoded.file_size:
        notes += (f"searched at {image.width}x{image.height} of {file_width}x{file_height} pixels",)
    return LoadedImage(np.array(image.convert("RGB")), decoded.file_size, notes)


def read_face(path: str | Path) -> LoadedImage:
    """Read an image that is one face, resized to 48x48 pixels in gray.

    Raises:
        ValueError: If the file cannot be read; names it.
    """
    decoded = open_image(path)
    gray = decoded.image.convert("L")
    if gray.size != (SIDE, SIDE):
        gray = gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return LoadedImage(np.asarray(gray, np.uint8), decoded.file_size, decoded.notes)
