"""Pictures of every kind are read alike, upright and in bounded memory; bad ones are refused in a sentence."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage
from helpers import ROOT, correlation
from PIL import Image

from pipeline.data import image_io
from pipeline.data.image_io import read_image


def test_pictures_of_every_kind_show_the_same(tmp_path):
    astronaut = Image.fromarray(skimage.data.astronaut()).crop((100, 0, 400, 300))
    gray = astronaut.convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    half_there = astronaut.convert("RGBA")
    half_there.putalpha(Image.fromarray(np.full((300, 300), 255, np.uint8)))
    palette = astronaut.quantize(200)
    moving = [palette, Image.new("P", palette.size)]
    kinds = {
        "colors.jpg": astronaut, "print.jpg": astronaut.convert("CMYK"), "print.tif": astronaut.convert("CMYK"),
        "alpha.png": half_there, "alpha.webp": half_there, "palette.png": palette, "gray.png": gray,
        "gray alpha.png": gray.convert("LA"), "deep.png": deep, "deep.tif": deep,
        "float.tif": Image.fromarray(np.asarray(gray, np.float32) / 255), "lab.tif": astronaut.convert("LAB"),
        "plain.bmp": astronaut,
    }  # fmt: skip
    for name, picture in kinds.items():
        picture.save(tmp_path / name)
    moving[0].save(tmp_path / "moving.gif", save_all=True, append_images=moving[1:])
    for name in (*kinds, "moving.gif"):
        read = read_image(tmp_path / name)
        assert read.shape == (300, 300, 3) and read.dtype == np.uint8, name
        assert correlation(read, np.asarray(astronaut)) > 0.9, name


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    palette = Image.new("P", (30, 30), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.save(tmp_path / "clear.gif", transparency=1)
    for name in ("clear.png", "clear.gif"):
        assert (read_image(tmp_path / name) == 255).all(), name


@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
def test_a_photograph_is_upright_however_the_camera_was_held(tmp_path, kind):
    upright, turn = Image.fromarray(skimage.data.coffee()), Image.Transpose
    # What undoes each EXIF orientation, done the other way round: see ImageOps.exif_transpose.
    ways = {
        2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE, 6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270,
    }  # fmt: skip
    for orientation, way in ways.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright.transpose(way).save(tmp_path / f"{orientation}.{kind}", exif=exif)
        read = read_image(tmp_path / f"{orientation}.{kind}")
        assert read.shape == (400, 600, 3) and correlation(read, np.asarray(upright)) > 0.97, orientation


def png(width: int, height: int, depth: int = 8, color: int = 2, rows: int = 0) -> bytes:
    """A PNG that says it is so large, with so many rows of gray behind that."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    packer = zlib.compressobj(1)
    row = b"\0" + b"\x80" * (width * depth // 8 * {0: 1, 2: 3, 6: 4}[color])
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def write_bad_pictures(folder: Path) -> dict[str, str]:
    """Pictures that must be refused, each with a word that the sentence must hold."""
    photo = Image.fromarray(skimage.data.coffee())
    for kind in ("jpg", "png", "gif", "webp"):
        photo.save(folder / f"whole.{kind}")
        content = (folder / f"whole.{kind}").read_bytes()
        (folder / f"cut.{kind}").write_bytes(content[: len(content) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("I am no picture.")
    (folder / "start.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 200)
    (folder / "bomb.png").write_bytes(png(30_000, 30_000))
    (folder / "nothing.png").write_bytes(png(100, 100))
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("RGB", (3000, 19)).save(folder / "thin.png")
    for name, value in (("nan", np.nan), ("inf", np.inf), ("below", -1.0)):
        grays = np.full((50, 50), 0.5, np.float32)
        grays[20, 20] = value
        Image.fromarray(grays).save(folder / f"{name}.tif")
    (folder / "folder.jpg").mkdir()
    cut = dict.fromkeys(
        ("cut.jpg", "cut.png", "cut.gif", "cut.webp", "start.jpg", "nothing.png"), "cannot be read"
    )
    return cut | {
        "empty.jpg": "empty", "text.jpg": "no such kind", "bomb.png": "bomb", "dot.png": "too small",
        "thin.png": "too small", "nan.tif": "no numbers", "inf.tif": "no numbers", "below.tif": "below 0",
        "folder.jpg": "no file", "missing.jpg": "No such file",
    }  # fmt: skip


def test_bad_pictures_get_one_sentence_that_names_them(tmp_path):
    for name, why in write_bad_pictures(tmp_path).items():
        with pytest.raises(ValueError) as refused:
            read_image(tmp_path / name)
        told = str(refused.value)
        assert name in told and why in told and "\n" not in told and told.endswith("."), told


def test_a_face_alone_is_read_by_the_same_reader(tmp_path):
    for name in write_bad_pictures(tmp_path):
        if name not in ("dot.png", "thin.png"):  # a face may be small there, for all of the picture is face
            with pytest.raises(ValueError, match="cannot be read as a picture"):
                image_io.read_face(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="no file"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.skipif(sys.platform == "win32", reason="it measures memory as Unix does")
@pytest.mark.parametrize("kind", ["colors", "deep grays", "alpha", "jpeg"])
def test_a_hundred_megapixels_need_about_a_gigabyte_at_most(tmp_path, kind):
    width, height = 12_000, 8_334
    path = tmp_path / "large"
    if kind == "jpeg":
        Image.new("L", (width, height), 128).save(path, "JPEG")
    else:
        depth, color = {"colors": (8, 2), "deep grays": (16, 0), "alpha": (8, 6)}[kind]
        path.write_bytes(png(width, height, depth, color, rows=height))
    code = f"""
from pipeline.workflow.cli import peak_memory
from pipeline.data.image_io import read_image
picture = read_image({str(path)!r})
print(*picture.shape, peak_memory())
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stderr == "", ended.stderr
    height_read, width_read, _, peak = map(int, ended.stdout.split())
    assert (width_read, height_read) == (width / 2, height / 2) and peak < 1.25e9, peak
