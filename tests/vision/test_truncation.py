"""A file is truncated if it ends within a structure that declares its length; other files are not."""

import struct

import pytest

from pipeline.vision.truncation import is_truncated

SIZE_UNKNOWN = b"\x01" + b"\xff" * 7  # of an element of Matroska, in eight bytes


def box(name: bytes, content: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(content) if length is None else length, name) + content


def element(identifier: str, content: bytes, size: bytes = b"") -> bytes:
    return bytes.fromhex(identifier) + (size or bytes([0x80 | len(content)])) + content


LONG_BOX = struct.pack(">I4sQ", 1, b"mdat", 16 + 50) + bytes(50)
RIFF = b"RIFF" + struct.pack("<I", 44) + b"AVI " + bytes(40)
BLOCK = element("A3", bytes(20))
HEADER = element("1A45DFA3", bytes(16))
LIVE = (
    HEADER + bytes.fromhex("18538067") + SIZE_UNKNOWN + bytes.fromhex("1F43B675") + SIZE_UNKNOWN + BLOCK * 3
)
MATROSKA = HEADER + element("18538067", element("1F43B675", BLOCK * 3))
FILES = {
    "MP4": box(b"ftyp", bytes(16)) + box(b"moov", bytes(30)) + box(b"mdat", bytes(100)),
    "MP4 of 64-bit lengths": box(b"ftyp", bytes(16)) + LONG_BOX,
    "AVI": RIFF,
    "AVI above 1 GB": RIFF + RIFF.replace(b"AVI ", b"AVIX"),
    "Matroska": MATROSKA,
    "live Matroska": LIVE,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_whole_file_is_not_truncated_and_one_that_is_cut_is(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not is_truncated(path)
    for n_missing in (2, 5, 11):
        path.write_bytes(content[:-n_missing])
        assert is_truncated(path), n_missing


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        bytes(100),
        b"This is not a video.",
        box(b"ftyp", bytes(16)) + box(b"mdat", bytes(100), length=0),  # up to the end of the file
        b"RIFF" + bytes(4) + b"AVI " + bytes(40),  # not finished by the program that recorded it
        RIFF + bytes(3),
        b"G" + bytes(187),
    ],
    ids=range(8),
)
def test_a_file_that_declares_no_length_is_not_truncated(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert not is_truncated(tmp_path / "file")
