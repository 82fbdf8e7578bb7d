"""Detect that a video file ends before the structures that it declares; the number of frames is only an estimate."""

import struct
from pathlib import Path
from typing import BinaryIO

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675  # ids of Matroska's and WebM's elements


def is_truncated(path: Path) -> bool:
    """Return whether an MP4, MOV, AVI, Matroska or WebM file ends within a declared structure.

    Other containers do not declare their length; for these the result is False.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(12)
        file.seek(0)
        if start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
            return _find_end_of_boxes(file, size) > size
        if start[:4] == b"RIFF":
            return _find_end_of_riff(file, size) > size
        if start[:4] == EBML.to_bytes(4, "big"):
            return _find_end_of_elements(file, size) > size
    return False


def _find_end_of_boxes(file: BinaryIO, size: int) -> int:
    """Return the position where the last box of an MP4 or MOV file ends (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return position + 8
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        if length < 8:  # 0: up to the end of the file, whatever that is
            return size
        position += length
    return position


def _find_end_of_riff(file: BinaryIO, size: int) -> int:
    """Return the position where the last chunk of an AVI file ends; one above 1 GB has several."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or not length:  # 0: the recording program did not finish the file
            return size
        position += 8 + length + length % 2
    return min(position, size) if position - size <= 1 else position  # the last padding byte may be missing


def _find_end_of_elements(file: BinaryIO, size: int) -> int:
    """Return the position where the last element of a Matroska or WebM file ends (RFC 8794).

    A live recording has a segment and clusters of unknown size; their elements are followed one by one.
    """
    position = 0
    while position < size:
        file.seek(position)
        element, id_length = _read_number(file, keep_marker=True)
        length, length_bytes = _read_number(file)
        if not id_length or not length_bytes:  # the file ends in the header, or this is not an element
            return size + (file.tell() >= size)
        position += id_length + length_bytes
        is_unknown = length == (1 << 7 * length_bytes) - 1
        if is_unknown and element in (SEGMENT, CLUSTER):
            continue
        if is_unknown:
            return size
        position += length
    return position


def _read_number(file: BinaryIO, keep_marker: bool = False) -> tuple[int, int]:
    """Read a number of variable length; return it and its length in bytes, 0 if there is none."""
    first = file.read(1)
    if not first or not first[0]:
        return 0, 0
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    value = int.from_bytes(first + rest, "big")
    if len(rest) < length - 1:
        return 0, 0
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), length
