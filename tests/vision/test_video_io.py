"""Videos are read frame by frame with timestamps, upright, and past frames that are damaged."""

import os
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import damage_frames

from pipeline.vision.video_io import DEFAULT_FPS, VideoReader
from pipeline.vision.video_writer import open_video_writer

CODECS = {  # by extension: encoder, pixel format
    ".avi": ("mjpeg", "yuvj420p"),
    ".mkv": ("libx264", "yuv420p"),
    ".mov": ("png", "rgb24"),
    ".mp4": ("mpeg4", "yuv420p"),
    ".ts": ("libx264", "yuv420p"),
    ".webm": ("libvpx", "yuv420p"),
}
SIZE = (64, 48)


def truncate(path: Path, fraction: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    return path


@pytest.fixture
def encode(tmp_path, rng) -> Callable[..., Path]:
    """Write a video of noise in the codec that belongs to its extension, with any timestamps in milliseconds."""

    def write(
        name: str,
        timestamps_ms: Sequence[int] = range(0, 480, 40),
        options: dict[str, str] | None = None,
        **attributes: object,
    ) -> Path:
        path = tmp_path / name
        codec, pixel_format = CODECS[path.suffix]
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = *SIZE, pixel_format
            for attribute, value in attributes.items():
                setattr(stream.codec_context, attribute, value)
            if path.suffix != ".avi":  # its frames have no timestamps
                stream.codec_context.time_base = Fraction(1, 1000)
            for index, milliseconds in enumerate(timestamps_ms):
                pixels = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
                frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
                if path.suffix == ".avi":
                    frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


# --------------------------------------------------------------------------------------------------
# Reading
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fps", [23.976, 7.5, 59.94, 25])
def test_all_frames_are_read_in_order_with_their_timestamps(write_video, fps):
    reader = VideoReader(write_video(fps=fps, n_frames=12))
    frames = list(reader)
    assert reader.fps == pytest.approx(fps, rel=1e-3) and not reader.notes
    assert reader.frame_count == reader.frames_read == 12
    assert [frame.number for frame in frames] == list(range(1, 13))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / fps, atol=1e-3)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], 16 * np.arange(12), atol=5)
    assert frames[0].size == (64, 48) and frames[0].image.shape == (48, 64, 3)


def test_images_are_rgb_on_both_ends(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    with open_video_writer(tmp_path / "red.mp4", 25, (64, 48)) as writer:
        writer.write(red)
    (frame,) = VideoReader(tmp_path / "red.mp4")
    np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), (200, 0, 0), atol=8)


@pytest.mark.parametrize(
    ("name", "content", "exception", "reason"),
    [
        ("empty.mp4", b"", ValueError, "empty"),
        ("text.mp4", b"This is not a video.", ValueError, "format is unknown"),
        ("folder.mp4", None, FileNotFoundError, "not a file"),
        ("missing.mp4", None, FileNotFoundError, "does not exist"),
    ],
)
def test_invalid_files_are_refused_with_their_name_and_the_reason(tmp_path, name, content, exception, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    if name == "folder.mp4":
        (tmp_path / name).mkdir()
    with pytest.raises(exception, match=f"{name}.*{reason}"):
        VideoReader(tmp_path / name)


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="all names are Unicode there")
def test_a_name_that_is_not_utf8_is_read(write_video, tmp_path):
    path = write_video(n_frames=3).rename(tmp_path / os.fsdecode(b"video \xff.mp4"))
    assert len(list(VideoReader(path))) == 3


def test_a_file_with_sound_only_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ValueError, match=r"sound\.mp4"):
        VideoReader(tmp_path / "sound.mp4")


@pytest.mark.parametrize(
    "content",
    ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n"],
    ids=["concat", "HLS"],
)
@pytest.mark.parametrize("name", ["list.mp4", "list.avi", "list.mkv"])
def test_a_playlist_does_not_open_its_neighbor(encode, tmp_path, name, content):
    (tmp_path / name).write_text(content.format(encode("private.ts").name))
    with pytest.raises(ValueError, match=name):
        list(VideoReader(tmp_path / name))


# --------------------------------------------------------------------------------------------------
# Times
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("extension", [".mp4", ".mkv", ".webm", ".mov"])
@pytest.mark.parametrize(
    "timestamps_ms",
    [(0, 40, 80, 120), (0, 40, 1000, 1040, 3000), (0, 500, 520), (1480, 1520, 1560), (0, 2000, 4000)],
    ids=str,
)
def test_each_frame_has_its_own_time_since_the_first(encode, extension, timestamps_ms):
    reader = VideoReader(encode(f"video{extension}", timestamps_ms))
    seconds = [frame.seconds for frame in reader]
    np.testing.assert_allclose(seconds, np.subtract(timestamps_ms, timestamps_ms[0]) / 1000, atol=2e-3)
    assert not reader.notes  # a variable rate and an offset do not mean that the file is truncated


def test_a_video_without_timestamps_has_the_default_rate(encode, tmp_path):
    path = encode("video.mkv")
    with av.open(str(path)) as container, av.open(str(tmp_path / "raw.h264"), "w") as raw:
        stream = raw.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    frames = list(VideoReader(tmp_path / "raw.h264"))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / DEFAULT_FPS, atol=1e-3)


# --------------------------------------------------------------------------------------------------
# Damaged and truncated files
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("extension", [".avi", ".mov", ".mp4", ".mkv"])
@pytest.mark.parametrize("numbers", [(5,), (3, 9), (4, 5, 6, 7)], ids=str)
def test_frames_after_damaged_ones_are_read(encode, extension, numbers):
    path = damage_frames(encode(f"video{extension}"), *numbers)
    reader = VideoReader(path)
    seconds = np.array([frame.seconds for frame in reader])
    assert reader.frames_read + reader.frames_lost == 12 and reader.frames_read >= 12 - len(numbers)
    assert seconds[-1] == pytest.approx(11 / 25, abs=2e-3) and (np.diff(seconds) > 0.03).all()
    assert len(reader.notes) == bool(reader.frames_lost)


def test_a_video_of_damaged_frames_only_is_refused(encode):
    path = damage_frames(encode("video.mov"), *range(1, 13))
    with pytest.raises(ValueError, match=r"video\.mov.*no frames"):
        list(VideoReader(path))


def test_a_truncated_mp4_without_its_index_is_refused(encode):
    path = truncate(encode("cut.mp4"), 0.5)  # its index is at the end of the file
    with pytest.raises(ValueError, match=r"cut\.mp4.*cut off"):
        VideoReader(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("index_first.mp4", {"movflags": "faststart"}),
        ("fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("video.avi", {}),
        ("video.mkv", {}),
        ("live.mkv", {"live": "1"}),
        ("video.webm", {}),
        ("live.webm", {"live": "1"}),
    ],
)
def test_a_truncated_file_is_read_up_to_its_end_and_a_note_says_so(encode, name, options):
    path = encode(name, options=options, gop_size=3)
    whole = VideoReader(path)
    assert len(list(whole)) == 12 and not whole.notes
    cut = VideoReader(truncate(path, 0.6))
    assert 3 < len(list(cut)) < 11 and len(cut.notes) >= 1


@pytest.mark.parametrize("name", ["video.ts", "video.avi", "video.mov"])
def test_other_data_after_the_last_frame_is_not_a_truncated_file(encode, name):
    path = encode(name)
    with open(path, "ab") as file:
        file.write(b"\0" * 188)
    reader = VideoReader(path)
    assert len(list(reader)) == 12 and not reader.notes


# --------------------------------------------------------------------------------------------------
# Orientation and shape
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("degrees", "quadrant"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (270, (0, 1))])
def test_the_rotation_in_the_metadata_is_applied(tmp_path, degrees, quadrant):
    """The quadrant at the top left is white; it is turned counterclockwise."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 255
    with av.open(str(tmp_path / "turned.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    (frame,) = VideoReader(tmp_path / "turned.mp4")
    assert frame.size == ((64, 48) if degrees % 180 == 0 else (48, 64))
    height, width = frame.image.shape[:2]
    means = frame.image.reshape(2, height // 2, 2, width // 2, 3).mean(axis=(1, 3, 4))
    assert np.unravel_index(means.argmax(), (2, 2)) == quadrant and sorted(means.ravel())[-2] < 20


@pytest.mark.parametrize(("aspect", "width"), [("1/1", 64), ("4/3", 85), ("64/45", 91), ("1/2", 32)])
def test_pixels_become_square(encode, aspect, width):
    path = encode("wide.mp4", sample_aspect_ratio=Fraction(aspect))
    assert {frame.size for frame in VideoReader(path)} == {(width, 48)}


@pytest.mark.parametrize("extension", [".mp4", ".mkv", ".avi", ".webm"])
@pytest.mark.parametrize("every", [1, 2, 5, 12, 100])
def test_every_nth_frame_keeps_its_number_and_time(encode, extension, every):
    path = encode(f"video{extension}")
    frames = [frame for frame in VideoReader(path) if (frame.number - 1) % every == 0]
    read = list(VideoReader(path, every))
    assert [(frame.number, frame.seconds) for frame in read] == [
        (frame.number, frame.seconds) for frame in frames
    ]
    for first, second in zip(frames, read, strict=True):
        np.testing.assert_array_equal(first.image, second.image)


@pytest.mark.parametrize("extension", [".mp4", ".mkv", ".avi", ".webm"])
def test_samples_are_spread_over_the_video(encode, extension):
    path = encode(f"video{extension}")
    images = [frame.image.astype(int) for frame in VideoReader(path)]
    found = [
        min(range(12), key=lambda index: np.abs(images[index] - sample).mean())
        for sample in VideoReader(path).sample(4)
    ]
    assert found == sorted(found) and len(set(found)) >= 3, found
