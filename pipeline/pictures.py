"""Reading pictures of any kind: upright, 8 bits deep and of a bounded size, or an error in one sentence.

Photographs come turned (EXIF), 16 bits deep, with a palette, transparent, moving, in the four colours of print,
cut short, or as a bomb: a few bytes that unpack to gigabytes.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST = 30_000_000  # pixels kept of a picture: a face that is to be 48x48 has enough of them
SMALLEST = 20  # pixels in height and width; below that no face can be told
STRIP = 256  # rows of deep greys that are scaled at a time, for that takes 16 bytes a pixel

# Pillow warns from half as many pixels as it refuses. LARGEST of them are kept, so there is nothing to be done.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_picture(path: str | Path) -> np.ndarray:
    """A picture as (height, width, 3) uint8 RGB: upright, of a moving one the first, what is transparent white.

    One of more than 30 million pixels is made half as large, or a third ..., so that 100 million take a gigabyte
    of memory at most. Raises ValueError, naming the file, for what is missing, no picture, damaged, smaller than
    20x20, or larger than the 178,956,970 pixels from which on Pillow suspects a bomb.
    """
    picture = opened(path)
    if min(picture.size) < SMALLEST:
        size = f"{picture.width}x{picture.height} pixels"
        raise ValueError(f"{path} is {size}, too small to show a face: it needs {SMALLEST}x{SMALLEST}.")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"))


def opened(path: str | Path) -> Image.Image:
    """A picture as Pillow holds it: loaded, upright, 8 bits a channel, LARGEST pixels at most.

    Raises ValueError, naming the file, where it cannot be read.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for
        closed = path.is_dir() and not os.access(path, os.R_OK | os.X_OK)
        reason = "this user may not look into that folder" if closed else "it is no file"
        raise ValueError(f"{path} cannot be read as a picture ({reason}).")
    try:
        with Image.open(path) as picture:
            times = _times_too_large(picture)
            if times > 1:
                # A JPEG can be unpacked at an eighth, a quarter or half its size; the others don't heed this.
                picture.draft(None, (picture.width // times, picture.height // times))
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            eight_bit = _as_8_bit(picture)
            times = _times_too_large(eight_bit)
            return eight_bit.reduce(times) if times > 1 else eight_bit
    except UnidentifiedImageError as error:
        reason = "it is empty" if not path.stat().st_size else "Pillow knows no such kind of picture"
        raise ValueError(f"{path} cannot be read as a picture ({reason}).") from error
    except Exception as error:  # Pillow raises whatever its reading of a damaged file runs into
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise ValueError(f"{path} cannot be read as a picture ({reason}).") from error


def _times_too_large(picture: Image.Image) -> int:
    """The whole number by which to divide height and width so that LARGEST pixels are left; 1 if they are few."""
    times = 1
    while picture.width * picture.height > LARGEST * times**2:
        times += 1
    return times


def _as_8_bit(picture: Image.Image) -> Image.Image:
    """A picture in a mode whose values fill a byte each, can be averaged, and can be made grey or RGB."""
    if picture.mode in ("L", "LA", "RGB", "RGBA", "YCbCr"):
        return picture
    if not (picture.mode.startswith("I") or picture.mode == "F"):
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    # Of deeper greys Pillow would keep the lowest 256 only.
    whitest = 65535 if picture.mode.startswith("I") else (1 if picture.getextrema()[1] <= 1 else 255)
    scaled = np.empty((picture.height, picture.width), np.uint8)
    for top in range(0, picture.height, STRIP):
        bottom = min(top + STRIP, picture.height)
        greys = np.asarray(picture.crop((0, top, picture.width, bottom)), np.float64)
        if not np.isfinite(greys).all() or greys.min() < 0:
            raise ValueError("its greys are below 0 or no numbers")
        scaled[top:bottom] = (greys / whitest * 255).clip(0, 255).round()
    return Image.fromarray(scaled)
