"""Videos are read frame by frame with timestamps, and written atomically."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.vision.video_io import DEFAULT_FPS, VideoReader, open_video_writer


def truncate(path: Path, fraction: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    return path


# --------------------------------------------------------------------------------------------------
# Reading
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fps", [23.976, 7.5, 59.94, 25])
def test_all_frames_are_read_in_order_with_their_timestamps(write_video, fps):
    reader = VideoReader(write_video(fps=fps, n_frames=12))
    frames = list(reader)
    assert reader.fps == pytest.approx(fps) and not reader.is_truncated
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


def test_a_truncated_mp4_is_refused(write_video):
    path = truncate(write_video("cut.mp4"), 0.5)  # its index is at the end of the file
    with pytest.raises(ValueError, match=r"cut\.mp4.*truncated"):
        VideoReader(path)


def test_a_truncated_avi_is_read_up_to_its_end(tmp_path, rng):
    path, fps = tmp_path / "video.avi", 12.5
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (64, 48))
    for _ in range(12):
        writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    reader = VideoReader(truncate(path, 0.6))
    frames = list(reader)
    assert 3 < len(frames) < 11 and reader.frame_count == 12 and reader.is_truncated
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(len(frames)) / fps, atol=1e-3)


def test_a_video_without_frames_is_refused(tmp_path, fake_capture):
    (tmp_path / "video.mp4").write_bytes(b"x")
    fake_capture(n_frames=0)
    with pytest.raises(ValueError, match=r"video\.mp4.*no frames"):
        list(VideoReader(tmp_path / "video.mp4"))


def test_a_video_without_a_frame_rate_gets_the_default(tmp_path, fake_capture):
    (tmp_path / "video.mp4").write_bytes(b"x")
    fake_capture(n_frames=3)
    reader = VideoReader(tmp_path / "video.mp4")
    np.testing.assert_allclose([frame.seconds for frame in reader], np.arange(3) / DEFAULT_FPS)
    assert reader.fps == DEFAULT_FPS and reader.frame_count == 0 and not reader.is_truncated


def test_timestamps_of_the_file_are_used_and_a_missing_one_is_extrapolated(tmp_path, fake_capture):
    (tmp_path / "video.mp4").write_bytes(b"x")
    timestamps_ms = iter([0.0, 10.0, 500.0, 0.0])  # the last one is missing
    capture = fake_capture(n_frames=4)
    capture.get = lambda name: next(timestamps_ms) if name == cv2.CAP_PROP_POS_MSEC else 10.0
    seconds = [frame.seconds for frame in VideoReader(tmp_path / "video.mp4")]
    np.testing.assert_allclose(seconds, [0, 0.01, 0.5, 0.6])


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="all names are Unicode there")
def test_a_name_that_is_not_utf8_raises_an_error_instead_of_ending_the_process(write_video, tmp_path):
    path = write_video().rename(tmp_path / "video \udcff.mp4")
    with pytest.raises(ValueError, match="UTF-8"):
        VideoReader(path)
    with pytest.raises(OSError, match="UTF-8"), open_video_writer(path, 25, (64, 48)):
        pass
    assert list(tmp_path.iterdir()) == [path]


# --------------------------------------------------------------------------------------------------
# Writing
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["video.mp4", "video.webm"])
def test_an_interrupted_recording_keeps_its_frames(tmp_path, name):
    with pytest.raises(KeyboardInterrupt), open_video_writer(tmp_path / name, 25, (64, 48)) as writer:
        for _ in range(5):
            writer.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert len(list(VideoReader(tmp_path / name))) == 5
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_video_that_cannot_be_written_raises_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(OSError, match=r"x\.mp4"), open_video_writer(tmp_path / "x.mp4", 25, (0, 0)):
        pass
    assert not list(tmp_path.iterdir())
