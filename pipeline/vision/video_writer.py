"""Write H.264 videos in MP4, which all browsers play, with the time of each frame and another video's sound."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.vision.sound import Sound
from pipeline.workflow.atomic_io import atomic_write

TIME_BASE = Fraction(1, 90_000)  # seconds; a unit of the timestamps
# As fast as MPEG-4, at half the file size. B-frames would delay the first frame against the sound.
ENCODER_OPTIONS = {"preset": "superfast", "crf": "20", "bf": "0"}
# While it is written, the file is a sequence of fragments of a second each, and can be played up to where it ends if
# the process is killed; at the end it becomes a regular MP4.
MUXER_OPTIONS = {
    "movflags": "hybrid_fragmented+default_base_moof",
    "frag_duration": "1000000",
    "flush_packets": "1",
}
BT601 = 6  # the matrix of the conversion from RGB: SMPTE 170M, in ITU-T H.273


class VideoWriter:
    """Write a video file. It can be played at any time, also if it is never closed.

    Args:
        path: of the file, .mp4.
        fps: nominal frame rate, in frames per second.
        size: width and height in pixels; the last row or column of an odd size is not written.
        sound: written in parallel with the frames.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int], sound: Sound | None = None):
        self.path, self.fps, self.sound = path, fps, sound
        self.size = size[0] // 2 * 2, size[1] // 2 * 2
        self.last_timestamp: int | None = None
        self.has_failed = False  # if so nothing more is written, which FFmpeg does not bear
        with self._explain_errors():
            if not all(self.size):
                raise ValueError(f"its size is {size[0]}x{size[1]} pixels")
            self.container = av.open(str(path), "w", format="mp4", options=MUXER_OPTIONS)
            self.stream = self.container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            self.stream.width, self.stream.height = self.size
            self.stream.pix_fmt, self.stream.options = "yuv420p", dict(ENCODER_OPTIONS)
            self.stream.codec_context.time_base = TIME_BASE
            self.stream.codec_context.colorspace = BT601
            if sound:
                sound.add_to(self.container)

    def write(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Append a frame.

        Args:
            image: (height, width, 3) uint8 RGB.
            seconds: timestamp, above that of the frame before; None follows it at the nominal frame rate.
        """
        previous = self.last_timestamp
        if seconds is not None:
            timestamp = round(seconds / TIME_BASE)
        else:
            timestamp = 0 if previous is None else previous + round(1 / self.fps / TIME_BASE)
        self.last_timestamp = timestamp if previous is None else max(timestamp, previous + 1)
        cropped = np.ascontiguousarray(image[: self.size[1], : self.size[0]])
        frame = av.VideoFrame.from_ndarray(cropped, format="rgb24")
        frame = frame.reformat(*self.size, format="yuv420p", dst_colorspace=BT601)
        frame.pts, frame.time_base = self.last_timestamp, TIME_BASE
        with self._explain_errors():
            if self.sound:
                self.sound.write_until(self.last_timestamp * TIME_BASE)
            self.container.mux(self.stream.encode(frame))

    def close(self) -> None:
        """Write what is still in the encoder, and finish the file."""
        with self._explain_errors():
            try:
                if self.last_timestamp is not None and not self.has_failed:
                    if self.sound:
                        self.sound.write_until(self.last_timestamp * TIME_BASE + 1 / self.fps)
                    self.container.mux(self.stream.encode())
            finally:
                self.container.close()
                if self.sound:
                    self.sound.close()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            self.has_failed = True
            number = getattr(error, "errno", 0)
            raise OSError(number, f"{self.path} cannot be written as a video ({error})") from error


@contextmanager
def open_video_writer(
    path: Path, fps: float, size: tuple[int, int], sound: Sound | None = None
) -> Iterator[VideoWriter]:
    """Open a VideoWriter; the file appears at `path` when the context ends.

    After an exception it contains the frames written until then.
    """
    with atomic_write(path, keep_partial=True) as temporary:
        video = VideoWriter(temporary, fps, size, sound)
        try:
            yield video
        finally:
            video.close()
