"""A video is decoded in another process as in this one, and a decoder that hangs or crashes costs that file only."""

import os
import signal
import time
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.vision.video_io import VideoReader
from pipeline.vision.video_worker import IsolatedVideoReader
from pipeline.vision.video_writer import open_video_writer

N_FRAMES = 200  # more than fit into a pipe
needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


@pytest.fixture
def long_video(tmp_path, rng) -> Path:
    """A video of N_FRAMES of noise, 64x48."""
    with open_video_writer(tmp_path / "video.mp4", 25, (64, 48)) as writer:
        for _ in range(N_FRAMES):
            writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    return tmp_path / "video.mp4"


def test_frames_and_facts_are_those_of_the_file(write_video):
    path = write_video(n_frames=5)
    expected, reader = VideoReader(path), IsolatedVideoReader(path)
    assert (reader.fps, reader.frame_count) == (expected.fps, expected.frame_count)
    for frame, other in zip(reader, expected, strict=True):
        assert (frame.number, frame.seconds) == (other.number, other.seconds)
        np.testing.assert_array_equal(frame.image, other.image)
        frame.image[:] = 0  # it can be drawn on
    assert reader.start_s == expected.start_s and reader.notes == expected.notes == []
    assert reader.process.poll() is not None


def test_every_nth_frame_is_read(write_video):
    path = write_video(n_frames=7)
    frames = list(IsolatedVideoReader(path, every=3))
    expected = list(VideoReader(path, every=3))
    assert [(frame.number, frame.seconds) for frame in frames] == [(e.number, e.seconds) for e in expected]


def test_notes_arrive_at_the_end(tmp_path, rng):
    path = tmp_path / "cut.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    expected, reader = VideoReader(path), IsolatedVideoReader(path)
    assert 0 < len(list(reader)) == len(list(expected)) < 20
    assert reader.notes == expected.notes != []
    assert reader.is_incomplete and expected.is_incomplete


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("absent.mp4", None, FileNotFoundError),
        ("empty.mp4", b"", ValueError),
        ("text.mp4", b"text", ValueError),
        ("concat.mp4", b"ffconcat version 1.0\nfile video.mp4\n", ValueError),
        ("hls.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\nvideo.mp4\n#EXT-X-ENDLIST\n", ValueError),
        (
            "dash.mp4",
            b'<?xml version="1.0"?><MPD profiles="urn:mpeg:dash:profile:isoff-live:2011"/>',
            ValueError,
        ),
        ("session.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nm=video 5004 RTP/AVP 96\n", ValueError),
        ("GIF89a.mp4", b"GIF89a<MPD dash:profile:isoff-on-demand:2011 />", ValueError),
    ],
)
def test_error_is_raised_here_and_names_the_file_as_it_was_given(
    write_video, tmp_path, monkeypatch, name, content, error
):
    write_video()
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as caught:
        list(IsolatedVideoReader(name))
    assert str(caught.value).startswith(name)


@needs_signals
def test_file_that_hangs_the_decoder_is_given_up(long_video):
    reader = IsolatedVideoReader(long_video)
    frames = iter(reader)
    next(frames)
    reader.timeout_s = 0.5
    os.kill(reader.process.pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"video\.mp4.* 0\.5 seconds"):
        list(frames)
    assert time.monotonic() - started < 30 and reader.process.poll() is not None


def test_file_that_takes_too_long_to_open_is_given_up(write_video):
    with pytest.raises(ValueError, match=r"video\.mp4.* 0\.001 seconds"):
        IsolatedVideoReader(write_video(), timeout_s=0.001)


@needs_signals
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_file_that_crashes_the_decoder_is_refused(long_video, name):
    reader = IsolatedVideoReader(long_video)
    frames = iter(reader)
    next(frames)
    reader.process.send_signal(getattr(signal, name))
    with pytest.raises(ValueError, match=r"video\.mp4.*crashed"):
        list(frames)


def test_reader_can_be_closed_before_the_end(write_video):
    reader = IsolatedVideoReader(write_video())
    next(iter(reader))
    reader.close()
    assert reader.process.poll() is not None
