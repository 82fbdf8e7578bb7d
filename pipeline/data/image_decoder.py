"""Decode image files with Pillow: upright, 8 bits per channel, in bounded memory; damaged ones as far as possible."""

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from pipeline.data.image_formats import HEIF_PACKAGE_MISSING, MULTI_IMAGE_FORMATS, formats_to_try, is_heif

MAX_PIXELS = 30_000_000  # of an image in memory: enough for faces of 48x48 pixels; larger images are reduced
MAX_JPEG_PIXELS = 500_000_000  # of a JPEG file, which is decoded at a fraction of its size
MAX_PADDED_BYTES = 200_000_000  # of a file that is cut off, with its missing bytes
# For missing bytes. AV1 accepts only some as the end of its data, by chance.
FILLINGS = (b"\x00", b"\x80", b"\xff")
# An image shows nothing if few pixels deviate from its median. Decoders make up some around the point of a cut.
BLANK_TOLERANCE, MAX_BLANK_DEVIATION = 8, 0.005  # gray levels, share of the pixels
STRIP_ROWS = 256  # rows of a deep grayscale image that are scaled at a time, which takes 16 bytes per pixel
SIDEWAYS_ORIENTATIONS = (5, 6, 7, 8)  # values of EXIF's orientation that exchange width and height
EIGHT_BIT_MODES = ("L", "LA", "RGB", "RGBA", "YCbCr")
DAMAGED = "the file is cut off or damaged, and only a part of the image was read"

# Pillow warns about images of half as many pixels as it refuses; open_image reduces those.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about damaged metadata


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image: its file's upright width and height in pixels, and what is to be known about it."""

    image: Image.Image
    file_size: tuple[int, int]
    notes: tuple[str, ...] = ()


class _ToleratesDamage(threading.local):
    """Pillow's switch, which is global, as a switch of each thread: others still learn that a file is damaged."""

    is_on = False

    def __bool__(self) -> bool:
        return self.is_on


_TOLERATES_DAMAGE = _ToleratesDamage()
ImageFile.LOAD_TRUNCATED_IMAGES = _TOLERATES_DAMAGE  # type: ignore[assignment]  # Pillow only tests whether it is true


def open_image(path: str | Path) -> DecodedImage:
    """Decode an image file: upright, 8 bits per channel, of at most MAX_PIXELS.

    Of a file that is cut off or damaged, what can be decoded is returned, with the note DAMAGED.

    Raises:
        ValueError: If the file cannot be read or shows nothing; names it.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # opening a pipe would block
        is_closed = path.is_dir() and not os.access(path, os.R_OK | os.X_OK)
        raise _read_error(path, "no permission to read this folder" if is_closed else "it is not a file")
    try:
        return _decode(path, path)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many types for damaged files
        is_from_system = isinstance(error, OSError) and error.errno
        damaged = None if is_from_system else _decode_damaged(path)
        if damaged:
            return damaged
        raise _read_error(path, _explain(error, path)) from error


def _read_error(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path} is not a picture that can be read ({reason}).")


def _explain(error: Exception, path: Path) -> str:
    if not isinstance(error, UnidentifiedImageError):
        return getattr(error, "strerror", "") or str(error) or type(error).__name__
    if not path.stat().st_size:
        return "it is empty"
    if is_heif(path) and "HEIF" not in Image.OPEN:
        return HEIF_PACKAGE_MISSING
    return "its format is unknown"


# --------------------------------------------------------------------------------------------------
# Decoding
# --------------------------------------------------------------------------------------------------
def _decode(path: Path, source: Path | io.BytesIO) -> DecodedImage:
    """Decode `source`: the file at `path`, or its content."""
    with _open(path, source) as image:
        notes = () if _TOLERATES_DAMAGE else _count_images(image)
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
        return DecodedImage(eight_bit.reduce(factor) if factor > 1 else eight_bit, (width, height), notes)


def _open(path: Path, source: Path | io.BytesIO) -> Image.Image:
    try:
        return Image.open(source, formats=formats_to_try(path))
    except Image.DecompressionBombError:
        try:
            image = JpegImageFile(source)  # has no limit
        except SyntaxError:  # not a JPEG
            image = None
        if image is None or image.width * image.height > MAX_JPEG_PIXELS:
            raise
        return image


def _count_images(image: Image.Image) -> tuple[str, ...]:
    n_images = getattr(image, "n_frames", 1) if image.format in MULTI_IMAGE_FORMATS else 1
    return (f"the first of {n_images:,} images in the file",) if n_images > 1 else ()


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


# --------------------------------------------------------------------------------------------------
# Damaged files
# --------------------------------------------------------------------------------------------------
def _decode_damaged(path: Path) -> DecodedImage | None:
    """Decode what a damaged file shows; None if that is nothing but one color."""
    for source in _damaged_sources(path):
        try:
            with _tolerate_damage():
                decoded = _decode(path, source)
        except MemoryError:
            raise
        except Exception:  # as in open_image, which reports the error of the first attempt
            continue
        grays = np.asarray(decoded.image.convert("L"), np.int16)
        if (abs(grays - np.median(grays)) > BLANK_TOLERANCE).mean() > MAX_BLANK_DEVIATION:
            return replace(decoded, notes=(DAMAGED, *decoded.notes))
    return None


@contextmanager
def _tolerate_damage() -> Iterator[None]:
    _TOLERATES_DAMAGE.is_on = True
    try:
        yield
    finally:
        _TOLERATES_DAMAGE.is_on = False


def _damaged_sources(path: Path) -> Iterator[Path | io.BytesIO]:
    """Yield a file, and its content with the missing bytes filled: decoders of WebP, AVIF and HEIC need them."""
    yield path
    if path.stat().st_size < MAX_PADDED_BYTES:
        content = path.read_bytes()
        n_missing = _declared_size(content) - len(content)
        if 0 < n_missing <= MAX_PADDED_BYTES - len(content):
            for filling in FILLINGS if content[4:8] == b"ftyp" else FILLINGS[:1]:
                yield io.BytesIO(content + filling * n_missing)


def _declared_size(content: bytes) -> int:
    """Return how many bytes a file should have by its header: RIFF (WebP) or boxes (AVIF, HEIC); 0 if unknown."""
    if content[:4] == b"RIFF":
        return 8 + int.from_bytes(content[4:8], "little")
    if content[4:8] != b"ftyp":
        return 0
    position = 0
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        if size < 8:  # 64-bit sizes, and 0 for "to the end of the file", are not found in photographs
            return 0
        position += size
    return position
