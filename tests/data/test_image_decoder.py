"""Of damaged files, what they show is read; very large JPEG files are decoded at a fraction of their size."""

import io
import subprocess
import sys
import threading

import numpy as np
import pytest
import skimage
from helpers import ROOT, encode_png
from PIL import Image, ImageFile

from pipeline.data import image_decoder
from pipeline.data.image_decoder import DAMAGED, open_image

FORMATS = {
    "JPEG": {}, "JPEG progressive": {"progressive": True}, "PNG": {}, "WEBP": {}, "WEBP lossless": {"lossless": True},
    "AVIF": {}, "HEIF": {}, "GIF": {}, "BMP": {}, "TIFF": {}, "PPM": {},
}  # fmt: skip


def encode(name: str) -> bytes:
    """Encode a photograph (600x400)."""
    if name == "HEIF":
        pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    Image.fromarray(skimage.data.coffee()).save(file, name.split()[0], **FORMATS[name])
    return file.getvalue()


def similarity(image: Image.Image) -> float:
    """Return the share of the pixels that are about as in the photograph."""
    difference = np.abs(np.asarray(image.convert("RGB")).astype(int) - skimage.data.coffee())
    return float((difference.max(axis=2) < 60).mean())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("n_cut", "share"), [(1, 0.97), (2, 0.97), (0.1, 0.85), (0.5, 0.5)])
def test_of_a_file_that_is_cut_off_the_rest_is_read(tmp_path, name, n_cut, share):
    content = encode(name)
    n_bytes = n_cut if n_cut >= 1 else round(n_cut * len(content))
    path = tmp_path / "photo"
    path.write_bytes(content[:-n_bytes])
    decoded = open_image(path)
    assert decoded.image.size == decoded.file_size == (600, 400)
    assert similarity(decoded.image) > share
    if n_cut == 0.5:  # the last bytes of some formats are not needed
        assert decoded.notes == (DAMAGED,)


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_has_no_note(tmp_path, name):
    (tmp_path / "photo").write_bytes(encode(name))
    assert open_image(tmp_path / "photo").notes == ()


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_a_file_that_is_damaged_in_its_middle_is_read(tmp_path, name):
    content = bytearray(encode(name))
    middle = len(content) // 2
    content[middle : middle + 50] = bytes(50)
    (tmp_path / "photo").write_bytes(content)
    assert similarity(open_image(tmp_path / "photo").image) > 0.4


def test_a_file_that_shows_nothing_is_refused(tmp_path):
    starts = {name: encode(name)[:40] for name in ("JPEG", "PNG", "WEBP", "GIF")}
    header = encode("JPEG")[: encode("JPEG").index(b"\xff\xda") + 14]  # up to the first pixel
    for name, content in (starts | {"header": header, "no pixels": encode_png(100, 100)}).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            open_image(tmp_path / name)


def test_other_threads_still_learn_that_a_file_is_cut_off():
    content = encode("JPEG")[:-500]
    errors = []

    def load() -> None:
        try:
            Image.open(io.BytesIO(content)).load()
        except OSError as error:
            errors.append(error)

    with image_decoder._tolerate_damage():
        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
        load()
    assert len(errors) == 1 and not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is measured on Unix only")
@pytest.mark.parametrize("size", [(16320, 12240), (22_000, 20_000)])
def test_a_very_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path, size):
    path = tmp_path / "large.jpg"
    Image.new("L", size, 128).save(path)
    code = f"""
from pipeline.workflow.cli import peak_memory
from pipeline.data.image_io import read_image
image = read_image({str(path)!r})
print(*image.file_size, image.pixels.size // 3, peak_memory())
"""
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *file_size, n_pixels, peak_bytes = map(int, process.stdout.split())
    assert tuple(file_size) == size and 5e6 < n_pixels <= 30e6 and peak_bytes < 1e9


def test_beyond_the_limit_a_jpeg_is_refused(tmp_path, monkeypatch):
    for name in ("JPEG", "PNG"):
        (tmp_path / name).write_bytes(encode(name))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    monkeypatch.setattr(image_decoder, "MAX_JPEG_PIXELS", 240_000)
    assert open_image(tmp_path / "JPEG").file_size == (600, 400)
    monkeypatch.setattr(image_decoder, "MAX_JPEG_PIXELS", 239_999)
    for name in ("JPEG", "PNG"):
        with pytest.raises(ValueError, match="bomb"):
            open_image(tmp_path / name)
