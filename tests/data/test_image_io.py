"""Images of all formats are read alike, upright and in bounded memory; invalid ones are refused by name."""

import os
import subprocess
import sys

import numpy as np
import pytest
import skimage
from helpers import ROOT, correlation, encode_png, load_astronaut, write_invalid_images
from PIL import Image

from pipeline.data import image_decoder
from pipeline.data.image_io import read_face, read_image

REASONS = {
    "empty.jpg": "empty",
    "bomb.png": "bomb",
    "nan.tif": "NaN",
    "inf.tif": "infinite",
    "below.tif": "negative",
}


def make_formats() -> dict[str, Image.Image]:
    """Return the same photograph in the modes that files have, by file name."""
    colors = load_astronaut()
    gray = colors.convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    opaque = colors.convert("RGBA")
    return {
        "colors.jpg": colors, "print.jpg": colors.convert("CMYK"), "print.tif": colors.convert("CMYK"),
        "alpha.png": opaque, "alpha.webp": opaque, "palette.png": colors.quantize(200), "gray.png": gray,
        "gray alpha.png": gray.convert("LA"), "deep.png": deep, "deep.tif": deep,
        "float.tif": Image.fromarray(np.asarray(gray, np.float32) / 255), "lab.tif": colors.convert("LAB"),
        "colors.bmp": colors,
    }  # fmt: skip


def test_all_formats_show_the_same_image(tmp_path):
    photograph = np.asarray(load_astronaut())
    for name, image in make_formats().items():
        image.save(tmp_path / name)
        read = read_image(tmp_path / name).pixels
        assert read.shape == photograph.shape and read.dtype == np.uint8, name
        assert correlation(read, photograph) > 0.9, name


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    first = load_astronaut().quantize(200)
    first.save(tmp_path / "animation.gif", save_all=True, append_images=[Image.new("P", first.size)])
    image = read_image(tmp_path / "animation.gif")
    assert correlation(image.pixels, np.asarray(load_astronaut())) > 0.9
    assert "2 images" in image.notes[0]


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.avif", "a.tif"])
def test_a_file_of_several_images_says_so(tmp_path, name):
    others = [Image.new("RGB", (250, 250), color) for color in ("red", "blue")]
    load_astronaut().save(tmp_path / name, save_all=True, append_images=others)
    image = read_image(tmp_path / name)
    assert correlation(image.pixels, np.asarray(load_astronaut())) > 0.9
    assert "3 images" in image.notes[0]


def test_transparent_pixels_are_white(tmp_path):
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    palette = Image.new("P", (30, 30), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.save(tmp_path / "clear.gif", transparency=1)
    for name in ("clear.png", "clear.gif"):
        assert (read_image(tmp_path / name).pixels == 255).all(), name


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_photograph_is_upright_for_all_exif_orientations(tmp_path, suffix):
    upright, transpose = Image.fromarray(skimage.data.coffee()), Image.Transpose
    # The inverse of the transposition by which ImageOps.exif_transpose undoes each orientation.
    transpositions = {
        2: transpose.FLIP_LEFT_RIGHT, 3: transpose.ROTATE_180, 4: transpose.FLIP_TOP_BOTTOM,
        5: transpose.TRANSPOSE, 6: transpose.ROTATE_90, 7: transpose.TRANSVERSE, 8: transpose.ROTATE_270,
    }  # fmt: skip
    for orientation, transposition in transpositions.items():
        path = tmp_path / f"{orientation}.{suffix}"
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright.transpose(transposition).save(path, exif=exif)
        image = read_image(path).pixels
        assert image.shape == (400, 600, 3) and correlation(image, np.asarray(upright)) > 0.97, orientation


def test_invalid_images_are_refused_by_name_in_one_line(tmp_path):
    for name in write_invalid_images(tmp_path):
        with pytest.raises(ValueError) as refused:
            read_image(tmp_path / name)
        message = str(refused.value)
        assert name in message and REASONS.get(name, "") in message and "\n" not in message


@pytest.mark.parametrize(("name", "size"), [("dot.png", "1x1"), ("thin.png", "3000x19")])
def test_an_image_too_small_for_a_face_is_refused_with_its_size(tmp_path, name, size):
    write_invalid_images(tmp_path)
    with pytest.raises(ValueError, match=rf"{name}.*{size}.*20x20"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".eps", ".wmf"])
@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n{} loop\n",
        b"\xc5\xd0\xd3\xc6\x1e\x00\x00\x00"
        + bytes(22)
        + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
        b"\xd7\xcd\xc6\x9a\x00\x00" + bytes(8) + b"\x64\x00" + bytes(6) + b"\x01\x00\x09\x00" + bytes(64),
    ],
    ids=["PostScript", "binary_EPS", "metafile"],
)
def test_a_format_that_runs_another_program_is_refused_whatever_its_name(
    tmp_path, monkeypatch, suffix, content
):
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("a program was started"))
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"photo\..* format is unknown"):
        read_image(path)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "faces.jpg").mkdir()
    with pytest.raises(ValueError, match=r"faces\.jpg"):
        read_image(tmp_path / "faces.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe\.png"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is measured on Unix only")
@pytest.mark.parametrize("kind", ["colors", "deep grays", "alpha", "jpeg"])
def test_a_hundred_megapixels_take_about_a_gigabyte_at_most(tmp_path, kind):
    width, height = 12_000, 8_334
    path = tmp_path / "large"
    if kind == "jpeg":
        Image.new("L", (width, height), 128).save(path, "JPEG")
    else:
        depth, color = {"colors": (8, 2), "deep grays": (16, 0), "alpha": (8, 6)}[kind]
        path.write_bytes(encode_png(width, height, depth, color, rows=height))
    code = f"""
from pipeline.workflow.cli import peak_memory
from pipeline.data import image_decoder
from pipeline.data.image_io import read_image
image = read_image({str(path)!r}).pixels
print(*image.shape, peak_memory())
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    read_height, read_width, _, peak_bytes = map(int, process.stdout.split())
    assert (read_width, read_height) == (width / 2, height / 2) and peak_bytes < 1.25e9


@pytest.mark.parametrize("size", [(1201, 1001), (1001, 1200), (2400, 1999), (1600, 403)])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_reduced_image_keeps_the_scale_to_its_file(tmp_path, monkeypatch, size, suffix, orientation):
    """A white square is where its coordinates, multiplied by the scale, say."""
    monkeypatch.setattr(image_decoder, "MAX_PIXELS", 500_000)
    upright = Image.new("L", size)
    upright.paste(255, (200, 100, 240, 140))
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif)
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.file_size == size and image.pixels.size <= 3 * 500_000
    rows, columns = np.nonzero(image.pixels[..., 0] > 127)
    center = (columns.mean() + 0.5) * image.scale[0], (rows.mean() + 0.5) * image.scale[1]
    np.testing.assert_allclose(center, (220, 120), atol=2.5)
    assert image.notes


def test_an_image_that_fits_is_not_scaled(tmp_path):
    load_astronaut().save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image.file_size, image.scale, image.notes) == ((250, 250), (1, 1), ())


# --------------------------------------------------------------------------------------------------
# Images that are one face
# --------------------------------------------------------------------------------------------------
def test_a_face_of_another_size_and_mode_becomes_48x48_gray(tmp_path):
    Image.new("RGB", (200, 100), (255, 255, 255)).save(tmp_path / "white.jpg")
    face = read_face(tmp_path / "white.jpg").pixels
    assert face.shape == (48, 48) and face.dtype == np.uint8 and face.min() > 250


@pytest.mark.parametrize("name", ["deep.png", "float.tif"])
def test_deep_gray_levels_are_scaled_not_clipped(tmp_path, small_table, name):
    face = small_table["pixels"][0]
    deep = face.astype(np.uint16) * 257 if name == "deep.png" else face.astype(np.float32) / 255
    Image.fromarray(deep).save(tmp_path / name)
    assert abs(read_face(tmp_path / name).pixels.astype(int) - face).max() <= 1


def test_a_face_is_upright_by_its_exif_orientation(tmp_path, small_table):
    face = Image.fromarray(small_table["pixels"][0])
    exif = Image.Exif()
    exif[0x0112] = 6  # the sensor of a phone held upright is rotated
    face.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "face.png", exif=exif)
    assert np.array_equal(read_face(tmp_path / "face.png").pixels, np.asarray(face))


def test_invalid_faces_are_refused_by_name_but_small_ones_are_read(tmp_path):
    for name in write_invalid_images(tmp_path):
        if name in ("dot.png", "thin.png"):
            assert read_face(tmp_path / name).pixels.shape == (48, 48)
        else:
            with pytest.raises(ValueError, match=name):
                read_face(tmp_path / name)
