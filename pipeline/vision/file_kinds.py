"""Tell images, videos and CSV files apart: by their extension or, where that says nothing, by their content."""

from pathlib import Path
from typing import Literal

import av
from PIL import Image

from pipeline.data.image_formats import HEIF_EXTENSIONS, IMAGE_EXTENSIONS, is_heif
from pipeline.vision.video_io import CONTAINERS

FileKind = Literal["image", "video", "csv"]
CSV_EXTENSIONS = (".csv", ".csv.gz", ".csv.xz", ".csv.zip")
AUDIO_EXTENSIONS = (
    ".isma",
    ".m4a",
    ".m4b",
    ".mka",
    ".mks",
    ".ra",
    ".wma",
)  # that FFmpeg lists for containers of videos
OTHER_VIDEO_EXTENSIONS = (
    *(".3gpp", ".divx", ".m1v", ".m2v", ".mod", ".mpe", ".ogv", ".qt", ".tod", ".vob"),
)  # that FFmpeg's lists lack, because it writes none of them in a container of its own
VIDEO_EXTENSIONS = tuple(
    sorted(
        {
            f".{extension}" for name in CONTAINERS for extension in av.format.ContainerFormat(name).extensions
        }.union(OTHER_VIDEO_EXTENSIONS).difference(AUDIO_EXTENSIONS, IMAGE_EXTENSIONS, HEIF_EXTENSIONS)
    )
)
AMBIGUOUS_EXTENSIONS = (".mod", ".mts", ".ts")  # of programs, too: TypeScript
# Formats and containers that are recognized by their content.
IMAGE_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PSD", "QOI", "TIFF", "WEBP")
VIDEO_CONTAINERS = ("asf", "avi", "flv", "matroska", "mov", "mpeg", "mpegts", "ogg")
VIDEO_SIGNATURES = (
    b"RIFF",
    b"\x1aE\xdf\xa3",
    b"FLV",
    b"OggS",
    b"0&\xb2u",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
)
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # that a file may start with
MPEG_TS_PACKETS = (
    (0, 188),
    (4, 192),
)  # byte of the first packet, and length of a packet; each starts with 0x47
MAX_START_BYTES = 400
MAX_HEADER_BYTES = 1000  # of the first line of a CSV


def find_kind(path: Path) -> FileKind | None:
    """Return the kind of a file; None if it is none of them, or hidden."""
    name = path.name.lower()
    if name.startswith("."):
        return None
    if name.endswith(CSV_EXTENSIONS):
        return "csv"
    if name.endswith(IMAGE_EXTENSIONS):
        return "image"
    if name.endswith(VIDEO_EXTENSIONS) and not name.endswith(AMBIGUOUS_EXTENSIONS):
        return "video"
    return _find_kind_by_content(path)


def input_kind(path: Path) -> FileKind:
    """Return the kind of a file that was named; one of no known kind is to be read, and refused, as an image."""
    return find_kind(path) or ("video" if path.name.lower().endswith(VIDEO_EXTENSIONS) else "image")


def _find_kind_by_content(path: Path) -> FileKind | None:
    if not path.is_file():  # opening a pipe would block
        return None
    try:
        if _is_image(path):
            return "image"
        if _is_video(path):
            return "video"
        with open(path, "rb") as file:
            return "csv" if b"pixels" in file.readline(MAX_HEADER_BYTES).lower().split(b",") else None
    except OSError:  # is reported if the file was named
        return None


def _is_image(path: Path) -> bool:
    if is_heif(path):
        return True
    try:
        with Image.open(path, formats=[name for name in IMAGE_FORMATS if name in Image.OPEN]):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # Pillow raises many types for damaged files
        return False


def _is_video(path: Path) -> bool:
    with open(path, "rb") as file:
        if not _starts_as_video(file.read(MAX_START_BYTES)):  # FFmpeg takes much longer to say no
            return False
    options = {"format_whitelist": ",".join(VIDEO_CONTAINERS), "protocol_whitelist": "file"}
    try:
        with av.open(str(path), options=options, metadata_errors="replace") as container:
            return any(stream.width for stream in container.streams.video)
    except (av.FFmpegError, UnicodeError):
        return False


def _starts_as_video(start: bytes) -> bool:
    """Return whether the first bytes of a file are those of one of VIDEO_CONTAINERS."""
    is_mpeg_ts = any(start[first::packet][:2] == b"\x47\x47" for first, packet in MPEG_TS_PACKETS)
    return is_mpeg_ts or start.startswith(VIDEO_SIGNATURES) or start[4:8] in MP4_BOXES
