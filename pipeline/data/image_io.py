"""Read image files of all formats that Pillow supports: upright, 8 bits per channel, in bounded memory."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

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
SIDEWAYS_ORIENTATIONS = (5, 6, 7, 8)  # values of EXIF's orientation that exchange width and height
EIGHT_BIT_MODES = ("L", "LA", "RGB", "RGBA", "YCbCr")

# Pillow warns about images of half as many pixels as it refuses; open_image reduces those.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class LoadedImage:
    """An image in memory, which may be smaller than in its file.

    Attributes:
        pixels: (height, width, 3) uint8 RGB.
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


def read_image(path: str | Path) -> LoadedImage:
    """Read an image: upright, the first frame of an animation, transparency white.

    An image of more than MAX_PIXELS is reduced by a whole factor, so that 100 million pixels take a gigabyte of
    memory at most.

    Raises:
        ValueError: If the file is missing, not an image, damaged, smaller than 20x20 pixels, or larger than
            178,956,970 pixels, which Pillow refuses as a decompression bomb; names the file.
    """
    image, file_size = open_image(path)
    if min(image.size) < MIN_SIDE:
        size = f"{image.width}x{image.height} pixels"
        raise ValueError(
            f"{path} has {size}, too small to show a face: {MIN_SIDE}x{MIN_SIDE} are the minimum."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    is_reduced = image.size != file_size
    notes = (f"searched at {image.width}x{image.height} of {file_size[0]}x{file_size[1]} pixels",)
    return LoadedImage(np.array(image.convert("RGB")), file_size, notes if is_reduced else ())


def read_face(path: str | Path) -> np.ndarray:
    """Read an image that is one face as (48, 48) uint8 gray; an image of another size is resized.

    Raises:
        ValueError: If the file cannot be read; names it.
    """
    gray = open_image(path)[0].convert("L")
    if gray.size != (SIDE, SIDE):
        gray = gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(gray, np.uint8)


def open_image(path: str | Path) -> tuple[Image.Image, tuple[int, int]]:
    """Load an image with Pillow: upright, 8 bits per channel, of at most MAX_PIXELS.

    Returns:
        The image, and width and height in pixels of the upright image in the file.

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
            return _decode(image)
    except UnidentifiedImageError as error:
        is_empty = not path.stat().st_size
        raise _read_error(
            path, "it is empty" if is_empty else "its content is of no supported image format"
        ) from error
    except Exception as error:  # Pillow raises many types for damaged files
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise _read_error(path, reason) from error


def _decode(image: Image.Image) -> tuple[Image.Image, tuple[int, int]]:
    """Decode a file that Pillow has opened; returns as `open_image` does."""
    width, height = image.size
    factor = _reduction_factor(image)
    # A JPEG can be decoded at an eighth, a quarter or half its size; other formats ignore this.
    is_drafted = factor > 1 and image.draft(None, (width // factor, height // factor)) is not None
    image.load()
    if not is_drafted:
        width, height = image.size  # which loading may correct
    if image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS_ORIENTATIONS:
        width, height = height, width
    ImageOps.exif_transpose(image, in_place=True)
    eight_bit = _to_8_bit(image)
    factor = _reduction_factor(eight_bit)
    return eight_bit.reduce(factor) if factor > 1 else eight_bit, (width, height)


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
