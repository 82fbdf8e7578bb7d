"""Images, videos and CSV files are distinguished by extension, and by content where that says nothing."""

import io

import av
import numpy as np
import pytest
from helpers import load_astronaut
from PIL import Image

from pipeline.data.csv_reader import write_csv
from pipeline.data.image_io import read_image
from pipeline.vision.file_kinds import find_kind, input_kind
from pipeline.vision.video_io import VideoReader

IMAGES = "jpg jpeg jpe jfif mpo png apng gif webp avif heic heif bmp dib tif tiff jp2 j2k ppm pgm pbm pnm tga qoi ico"
VIDEOS = "mp4 m4v mov avi mkv webm mpg mpeg wmv 3gp 3g2 m2ts flv ogv vob asf mxf m2t qt divx"


def encode(image_format: str) -> bytes:
    if image_format == "HEIF":
        pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    load_astronaut().save(file, image_format)
    return file.getvalue()


@pytest.mark.parametrize(
    ("extensions", "kind"), [(IMAGES, "image"), (VIDEOS, "video"), ("csv csv.gz csv.xz", "csv")]
)
def test_the_kind_follows_from_the_extension(tmp_path, extensions, kind):
    for extension in extensions.split():
        for name in (f"a.{extension}", f"A.B.{extension.upper()}"):
            assert find_kind(tmp_path / name) == input_kind(tmp_path / name) == kind, name


@pytest.mark.parametrize("name", ["a.m4a", "a.wma", "a.txt", "a", "a.eps", "a.pdf", ".a.jpg", "a.m3u8"])
def test_other_files_have_no_kind_but_are_refused_as_images_when_named(tmp_path, name):
    for content in (b"", b"This is text.", b"\x00\x00\x02\x00" + bytes(1000)):
        (tmp_path / name).write_bytes(content)
        assert find_kind(tmp_path / name) is None
        assert input_kind(tmp_path / name) == "image"


@pytest.mark.parametrize(
    "image_format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP", "JPEG2000"]
)
@pytest.mark.parametrize("name", ["photo", "photo.jpg_large", "photo.jpg?width=640", "photo.bak"])
def test_an_image_is_found_by_its_content_and_read(tmp_path, image_format, name):
    (tmp_path / name).write_bytes(encode(image_format))
    assert find_kind(tmp_path / name) == "image"
    assert read_image(tmp_path / name).file_size == (250, 250)


@pytest.mark.parametrize("name", ["film", "film.part", "film.ts", "film.mts"])
def test_a_video_is_found_by_its_content_and_read(write_video, tmp_path, name):
    write_video("film.mp4").rename(tmp_path / name)
    assert find_kind(tmp_path / name) == "video"
    assert len(list(VideoReader(tmp_path / name))) == 12


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mpegts", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("flv", "flv"), ("mpeg", "mpeg2video"),
        ("asf", "mpeg4"), ("3gp", "mpeg4"), ("mov", "mpeg4"), ("webm", "libvpx"), ("vob", "mpeg2video"),
    ],
)  # fmt: skip
def test_a_video_in_each_container_is_found_by_its_content(tmp_path, container, codec):
    path = tmp_path / "film"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 16 * level, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert find_kind(path) == "video"
    assert len(list(VideoReader(path))) >= 10


@pytest.mark.parametrize(
    "start",
    [b"RIFF\x00\x00\x00\x00WAVE", b"OggS", b"\x00\x00\x00\x08free", b"G" * 400, b"#EXTM3U\n", b"ffconcat"],
)
def test_other_content_is_no_video(tmp_path, start):
    (tmp_path / "a").write_bytes(start + bytes(1000))
    assert find_kind(tmp_path / "a") is None


def test_a_table_is_found_by_its_header(tmp_path, small_table):
    write_csv({name: column[:2] for name, column in small_table.items()}, tmp_path / "rows.csv")
    (tmp_path / "rows.csv").rename(tmp_path / "rows")
    assert find_kind(tmp_path / "rows") == "csv"


@pytest.mark.parametrize("name", ["app.ts", "module.mts", "go.mod"])
def test_a_program_is_no_video(tmp_path, name):
    (tmp_path / name).write_text("export const answer: number = 42;\n" * 100)
    assert find_kind(tmp_path / name) is None
    assert input_kind(tmp_path / name) == "video"


@pytest.mark.parametrize(
    "image_format", ["JPEG", "PNG", "PPM", "TGA", "QOI", "JPEG2000", "AVIF", "SGI", "PCX"]
)
def test_an_image_of_each_format_is_read_under_its_extensions(tmp_path, image_format):
    Image.init()
    for extension in (name for name, other in Image.registered_extensions().items() if other == image_format):
        (tmp_path / f"a{extension}").write_bytes(encode(image_format))
        image = read_image(tmp_path / f"a{extension}")
        assert abs(image.pixels.astype(int) - np.asarray(load_astronaut())).mean() < 6, extension
