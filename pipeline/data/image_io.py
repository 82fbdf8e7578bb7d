"""Read image files of all formats that Pillow supports: upright, 8 bits per channel, in bounded memory."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.data.fer2013 import SIDE

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MAX_PIXELS = 30_000_000  # of an image in memory: enough for faces of 48x48 pixels; larger images are reduced
MIN_SIDE = 20  # pixels, height and width; a smaller image cannot show a face
STRIP_ROWS = 256  # rows of a deep grayscale image that are scaled at a time, which takes 16 bytes per pixel
# What is opened, by content. PostScript and Windows metafiles are not here: Pillow runs other programs to read them.
FORMATS = (
    *("AVIF", "BMP", "DDS", "DIB", "GIF", "ICNS", "ICO", "JPEG", "JPEG2000", "MPO", "PCX"),
    *("PNG", "PPM", "QOI", "SGI", "SUN", "TGA", "TIFF", "WEBP", "XBM", "XPM"),
)
EIGHT_BIT_MODES = ("L", "LA", "RGB", "RGBA", "YCbCr")

# Pillow warns about images of half as many pixels as it refuses; open_image reduces those.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as (height, width, 3) uint8 RGB: upright, the first frame of an animation, transparency white.

    An image of more than MAX_PIXELS is reduced by a whole factor, so that 100 million pixels take a gigabyte of
    memory at most.

    Raises:
        ValueError: If the file is missing, not an image, damaged, smaller than 20x20 pixels, or larger than
            178,956,970 pixels, which Pillow refuses as a decompression bomb; names the file.
    """
    image = open_image(path)
    if min(image.size) < MIN_SIDE:
        size = f"{image.width}x{image.height} pixels"
        raise ValueError(
            f"{path} has {size}, too small to show a face: {MIN_SIDE}x{MIN_SIDE} are the minimum."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def read_face(path: str | Path) -> np.ndarray:
    """Read an image that is one face as (48, 48) uint8 gray; an image of another size is resized.

    Raises:
        ValueError: If the file cannot be read; names it.
    """
    gray = open_image(path).convert("L")
    if gray.size != (SIDE, SIDE):
        gray = gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(gray, np.uint8)


def open_image(path: str | Path) -> Image.Image:
    """Load an image with Pillow: upright, 8 bits per channel, of at most MAX_PIXELS.

    Raises:
        ValueError: If the file cannot be read; names it.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # opening a pipe would block
        is_closed = path.is_dir() and not os.access(path, os.R_OK | os.X_OK)
        raise _read_error(path, "no permission to read this folder" if is_closed else "it is not a file")
    try:
        Image.init()  # some builds of Pillow lack a format
        with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            factor = _reduction_factor(image)
            if factor > 1:
                # A JPEG can be decoded at an eighth, a quarter or half its size; other formats ignore this.
                image.draft(None, (image.width // factor, image.height // factor))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            eight_bit = _to_8_bit(image)
            factor = _reduction_factor(eight_bit)
            return eight_bit.reduce(factor) if factor > 1 else eight_bit
    except UnidentifiedImageError as error:
        is_empty = not path.stat().st_size
        raise _read_error(
            path, "it is empty" if is_empty else "its content is of no supported image format"
        ) from error
    except Exception as error:  # Pillow raises many types for damaged files
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise _read_error(path, reason) from error


def _read_error(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path} cannot be read as an image ({reason}).")


def _reduction_factor(image: Image.Image) -> int:
    """Return the smallest whole number that, dividing height and width, leaves at most MAX_PIXELS."""
    factor = 1
    while image.width * image.height > MAX_PIXELS * factor**2:
        factor += 1
    return factor


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Convert an image to a mode of one byte per channel that can be averaged and converted to gray and RGB."""
    if image.mode in EIGHT_BIT_MODES:
        return image
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    # Pillow's conversion would clip 16-bit and float gray levels at 255 instead of scaling them.
    white = 65535 if image.mode.startswith("I") else (1 if np.max(image.getextrema()) <= 1 else 255)
    scaled = np.empty((image.height, image.width), np.uint8)
    for top in range(0, image.height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, image.height)
        grays = np.asarray(image.crop((0, top, image.width, bottom)), np.float64)
        if not np.isfinite(grays).all() or grays.min() < 0:
            raise ValueError("it has gray levels that are negative, NaN or infinite")
        scaled[top:bottom] = (grays / white * 255).clip(0, 255).round()
    return Image.fromarray(scaled)
