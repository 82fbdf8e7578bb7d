"""Videos are written as H.264 with the time of each frame and another video's sound, and can be played when cut."""

import contextlib
import errno
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import ROOT

from pipeline.vision.camera import Camera
from pipeline.vision.recorder import Recorder
from pipeline.vision.sound import Sound
from pipeline.vision.video_io import VideoReader
from pipeline.vision.video_writer import VideoWriter, open_video_writer

GRAY = np.full((48, 64, 3), 128, np.uint8)
SOUND_RATE = 48_000
BEEP_S = (1.0, 1.5)


def probe(path: Path) -> dict[str, str]:
    """Return the codec of each stream."""
    with av.open(str(path)) as container:
        return {stream.type: stream.codec_context.name for stream in container.streams}


def test_the_video_is_h264_with_its_index_in_one_piece(tmp_path):
    path = tmp_path / "video.mp4"
    with open_video_writer(path, 25, (64, 48)) as writer:
        for _ in range(60):
            writer.write(GRAY)
    assert probe(path) == {"video": "h264"}
    assert VideoReader(path).frame_count == 60  # not only those of the first fragment
    with av.open(str(path)) as container:
        assert (
            container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        )  # the only one that all browsers play


def test_images_are_rgb_on_both_ends(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    with open_video_writer(tmp_path / "red.mp4", 25, (64, 48)) as writer:
        writer.write(red)
    (frame,) = VideoReader(tmp_path / "red.mp4")
    np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), (200, 0, 0), atol=8)


@pytest.mark.parametrize("size", [(64, 48), (65, 48), (64, 49), (33, 21)])
def test_an_odd_last_row_or_column_is_left_out(tmp_path, size):
    with open_video_writer(tmp_path / "odd.mp4", 25, size) as writer:
        writer.write(np.full((size[1], size[0], 3), 90, np.uint8))
    (frame,) = VideoReader(tmp_path / "odd.mp4")
    assert frame.size == (size[0] // 2 * 2, size[1] // 2 * 2)


@pytest.mark.parametrize(
    "seconds", [(0, 0.04, 0.08), (0, 0.04, 2.5, 2.54), (0, 3.1, 6.2), (0, 1 / 3, 0.5, 20)], ids=str
)
def test_each_frame_is_written_at_its_time(tmp_path, seconds):
    with open_video_writer(tmp_path / "video.mp4", 25, (64, 48)) as writer:
        for time_s in seconds:
            writer.write(GRAY, time_s)
    np.testing.assert_allclose(
        [frame.seconds for frame in VideoReader(tmp_path / "video.mp4")], seconds, atol=1e-4
    )


@pytest.mark.parametrize("seconds", [(0, 0, 0.04), (0, 0.04, 0.02, 0.08), (1, 1.0000001)], ids=str)
def test_times_that_do_not_increase_lose_no_frame(tmp_path, seconds):
    with open_video_writer(tmp_path / "video.mp4", 25, (64, 48)) as writer:
        for time_s in seconds:
            writer.write(GRAY, time_s)
    assert len(list(VideoReader(tmp_path / "video.mp4"))) == len(seconds)


# --------------------------------------------------------------------------------------------------
# Sound
# --------------------------------------------------------------------------------------------------
def write_with_sound(path: Path, video_codec: str, audio_codec: str, start_s: float = 0.0) -> Path:
    """Write a video of two seconds that begins at `start_s`, and beeps from BEEP_S[0] to BEEP_S[1] after its start."""
    times = np.arange(2 * SOUND_RATE) / SOUND_RATE
    wave = np.where((times >= BEEP_S[0]) & (times < BEEP_S[1]), np.sin(times * 2 * np.pi * 440), 0)
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(audio_codec, rate=SOUND_RATE, layout="mono")
        resampler = av.AudioResampler(audio.format.name, "mono", SOUND_RATE, audio.frame_size or 1024)
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(GRAY, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index + round(start_s * 25), Fraction(1, 25)
            container.mux(video.encode(frame))
            samples = wave[index * SOUND_RATE // 25 : (index + 1) * SOUND_RATE // 25]
            sound = av.AudioFrame.from_ndarray(samples[np.newaxis].astype(np.float32), "fltp", "mono")
            sound.rate, sound.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
            sound.pts = index * SOUND_RATE // 25 + round(start_s * SOUND_RATE)
            for resampled in resampler.resample(sound):
                container.mux(audio.encode(resampled))
        for stream in (video, audio):
            container.mux(stream.encode())
    return path


def measure_beep(path: Path) -> tuple[float, float]:
    """Return when the sound begins and ends, in seconds, since the first frame of the video."""
    first_frame_s = min(frame.time for frame in av.open(str(path)).decode(video=0))
    loud = []
    for frame in av.open(str(path)).decode(audio=0):
        samples = np.abs(frame.to_ndarray())
        loud += [frame.time + index / frame.rate for index in np.flatnonzero(samples.max(axis=0) > 0.3)]
    return loud[0] - first_frame_s, loud[-1] - first_frame_s


@pytest.mark.parametrize(
    ("name", "video_codec", "audio_codec", "copied"),
    [
        ("phone.mp4", "mpeg4", "aac", "aac"),
        ("browser.webm", "libvpx", "libopus", "opus"),
        ("music.mkv", "mpeg4", "libmp3lame", "mp3float"),
        ("tv.ts", "mpeg2video", "aac", "aac"),
        ("dvd.mkv", "mpeg2video", "ac3", "aac"),
        ("lossless.mkv", "mpeg4", "flac", "aac"),
    ],
)
@pytest.mark.parametrize("start_s", [0.0, 3.0])
def test_the_sound_is_kept_in_time(tmp_path, name, video_codec, audio_codec, copied, start_s):
    source = write_with_sound(tmp_path / name, video_codec, audio_codec, start_s)
    reader = VideoReader(source)
    frames = list(reader)
    with open_video_writer(
        tmp_path / "copy.mp4", reader.fps, (64, 48), Sound(source, reader.start_s)
    ) as writer:
        for frame in frames:
            writer.write(frame.image, frame.seconds)
    assert probe(tmp_path / "copy.mp4") == {"video": "h264", "audio": copied}
    assert measure_beep(tmp_path / "copy.mp4") == pytest.approx(BEEP_S, abs=0.06)


def test_the_sound_ends_with_the_last_frame(tmp_path):
    source = write_with_sound(tmp_path / "source.mp4", "mpeg4", "aac")
    with open_video_writer(tmp_path / "copy.mp4", 25, (64, 48), Sound(source, 0.0)) as writer:
        for index in range(10):
            writer.write(GRAY, index / 25)
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert container.duration / av.time_base == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("start_s", [0.0, 3.0])
def test_a_recording_of_a_video_file_has_the_sound_from_its_first_frame_on(tmp_path, start_s):
    source = write_with_sound(tmp_path / "source.mp4", "mpeg4", "aac", start_s)
    with Camera(str(source)) as camera:
        camera.newest()
        recorder = Recorder(tmp_path / "copy", str(source), camera.fps, camera.open_sound)
        for frame in list(VideoReader(source))[10:]:
            recorder.add(frame, frame.image, [])
        recorder.close()
    expected = np.subtract(BEEP_S, 10 / 25)
    assert measure_beep(tmp_path / "copy.mp4") == pytest.approx(expected, abs=0.06)


def test_a_video_without_sound_stays_without(write_video, tmp_path):
    with open_video_writer(tmp_path / "copy.mp4", 25, (64, 48), Sound(write_video(), 0.0)) as writer:
        writer.write(GRAY)
    assert probe(tmp_path / "copy.mp4") == {"video": "h264"}


# --------------------------------------------------------------------------------------------------
# Interruptions and errors
# --------------------------------------------------------------------------------------------------
def test_an_interrupted_recording_keeps_its_frames(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_video_writer(tmp_path / "x.mp4", 25, (64, 48)) as writer:
        for _ in range(5):
            writer.write(GRAY)
        raise KeyboardInterrupt
    assert len(list(VideoReader(tmp_path / "x.mp4"))) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


@pytest.mark.parametrize("n_frames", [60, 90, 200])
def test_a_killed_process_loses_at_most_the_last_seconds(tmp_path, n_frames):
    program = f"""if True:
        import os, numpy as np
        from pathlib import Path
        from pipeline.vision.video_writer import VideoWriter
        writer = VideoWriter(Path({str(tmp_path / "x.mp4")!r}), 25, (64, 48))
        for _ in range({n_frames}):
            writer.write(np.zeros((48, 64, 3), np.uint8))
        os._exit(9)
    """
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert n_frames - 50 <= len(list(VideoReader(tmp_path / "x.mp4"))) <= n_frames


def test_a_video_that_cannot_be_written_raises_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(OSError, match=r"x\.mp4"), open_video_writer(tmp_path / "x.mp4", 25, (0, 0)):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    (tmp_path / "x.mp4").symlink_to("/dev/full")
    writer = VideoWriter(tmp_path / "x.mp4", 25, (64, 48))
    with pytest.raises(OSError, match=r"x\.mp4") as caught:
        for _ in range(100):
            writer.write(GRAY)
    assert caught.value.errno == errno.ENOSPC
    with contextlib.suppress(OSError):
        writer.close()  # must not end the process


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of the size of a file")
@pytest.mark.parametrize("max_bytes", [100, 2_000, 50_000, 200_000])
def test_a_disk_that_becomes_full_is_an_error_and_not_the_end_of_the_process(tmp_path, max_bytes):
    program = f"""if True:
        import resource, signal, numpy as np
        from pathlib import Path
        from pipeline.vision.video_writer import open_video_writer
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({max_bytes}, {max_bytes}))
        noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
        try:
            with open_video_writer(Path({str(tmp_path / "x.mp4")!r}), 25, (320, 240)) as writer:
                for shift in range(80):
                    writer.write(np.roll(noise, 7 * shift, axis=0))
        except OSError as error:
            raise SystemExit(100 + error.errno)
    """
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 100 + errno.EFBIG, result.stderr
