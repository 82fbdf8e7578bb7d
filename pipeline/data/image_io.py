"""The FER2013 table: its emotions and splits, reading it from a CSV or from folders, and checking it.

A *table* is what step 2 stores, a dict of three arrays of equal length, one row a face:

    emotion   (N,) uint8, an index into EMOTIONS
    pixels    (N, 48, 48) uint8, gray, 0 black to 255 white
    Usage     (N,) str, one of USAGES

FER2013: I. J. Goodfellow et al., "Challenges in Representation Learning: A report on three machine
learning contests", 2013, https://arxiv.org/abs/1307.0414.
"""

import csv
import gzip
import lzma
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from pipeline.workflow.atomic_io import atomic_write
import numpy as np
from tqdm import tqdm
from pipeline.data.fer2013 import SIDE
import os
import warnings
from PIL import Image, ImageOps, UnidentifiedImageError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read_face(path: Path) -> np.ndarray:
    """A picture that is one face as (48, 48) uint8 gray; other sizes are resized. Raises ValueError, naming it."""
    from pipeline.data import image_io  # here, because most runs read no pictures

    from PIL import Image

    gray = image_io.open_image(path).convert("L")
    if gray.size != (SIDE, SIDE):
        gray = gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(gray, np.uint8)



MAX_PIXELS = 30_000_000  # pixels kept of a picture: a face that is to be 48x48 has enough of them
MIN_SIDE = 20  # pixels in height and width; below that no face can be told
STRIP_ROWS = 256  # rows of deep grays that are scaled at a time, for that takes 16 bytes a pixel

# Pillow warns from half as many pixels as it refuses. LARGEST of them are kept, so there is nothing to be done.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_image(path: str | Path) -> np.ndarray:
    """A picture as (height, width, 3) uint8 RGB: upright, of a moving one the first, what is transparent white.

    One of more than 30 million pixels is made half as large, or a third ..., so that 100 million take a gigabyte
    of memory at most. Raises ValueError, naming the file, for what is missing, no picture, damaged, smaller than
    20x20, or larger than the 178,956,970 pixels from which on Pillow suspects a bomb.
    """
    picture = open_image(path)
    if min(picture.size) < MIN_SIDE:
        size = f"{picture.width}x{picture.height} pixels"
        raise ValueError(f"{path} is {size}, too small to show a face: it needs {MIN_SIDE}x{MIN_SIDE}.")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"))


def open_image(path: str | Path) -> Image.Image:
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
            times = _reduction_factor(picture)
            if times > 1:
                # A JPEG can be unpacked at an eighth, a quarter or half its size; the others don't heed this.
                picture.draft(None, (picture.width // times, picture.height // times))
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            eight_bit = _to_8_bit(picture)
            times = _reduction_factor(eight_bit)
            return eight_bit.reduce(times) if times > 1 else eight_bit
    except UnidentifiedImageError as error:
        reason = "it is empty" if not path.stat().st_size else "Pillow knows no such kind of picture"
        raise ValueError(f"{path} cannot be read as a picture ({reason}).") from error
    except Exception as error:  # Pillow raises whatever its reading of a damaged file runs into
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise ValueError(f"{path} cannot be read as a picture ({reason}).") from error


def _reduction_factor(picture: Image.Image) -> int:
    """The whole number by which to divide height and width so that LARGEST pixels are left; 1 if they are few."""
    times = 1
    while picture.width * picture.height > MAX_PIXELS * times**2:
        times += 1
    return times


def _to_8_bit(picture: Image.Image) -> Image.Image:
    """A picture in a mode whose values fill a byte each, can be averaged, and can be made gray or RGB."""
    if picture.mode in ("L", "LA", "RGB", "RGBA", "YCbCr"):
        return picture
    if not (picture.mode.startswith("I") or picture.mode == "F"):
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    # Of deeper grays Pillow would keep the lowest 256 only.
    whitest = 65535 if picture.mode.startswith("I") else (1 if picture.getextrema()[1] <= 1 else 255)
    scaled = np.empty((picture.height, picture.width), np.uint8)
    for top in range(0, picture.height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, picture.height)
        grays = np.asarray(picture.crop((0, top, picture.width, bottom)), np.float64)
        if not np.isfinite(grays).all() or grays.min() < 0:
            raise ValueError("its grays are below 0 or no numbers")
        scaled[top:bottom] = (grays / whitest * 255).clip(0, 255).round()
    return Image.fromarray(scaled)
