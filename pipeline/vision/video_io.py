"""Read video files frame by frame: upright, with square pixels, and with the timestamp of each frame."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from pipeline.vision.truncation import is_truncated
from pipeline.workflow.formatting import format_count

# What is opened, by content. Playlists (HLS, DASH, concat) are not here: they name further files, which would be read.
CONTAINERS = (
    *(
        "mov",
        "matroska",
        "avi",
        "mpegts",
        "mpeg",
        "mpegvideo",
        "m4v",
        "flv",
        "ogg",
        "asf",
        "mxf",
        "dv",
        "gif",
    ),
    *("h264", "hevc", "mjpeg", "ivf", "rm", "nut", "wtv"),
)
DEFAULT_FPS = 25.0  # of a video without a valid frame rate
MAX_FPS = 1000.0  # higher frame rates are not valid
MAX_FRAMES_AFTER_SEEK = 300  # between two key frames, to which `sample` can jump
MAX_CONSECUTIVE_FAILURES = 1000  # packets that cannot be decoded, after which the rest of a video is given up


@dataclass(frozen=True)
class Frame:
    """A frame of a video or a camera.

    Attributes:
        number: counted from 1.
        seconds: timestamp since the first frame.
        image: (height, width, 3) uint8 RGB.
    """

    number: int
    seconds: float
    image: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


class VideoReader:
    """Iterate over the frames of a video file, once. Frames that cannot be decoded are skipped and counted.

    Images are rotated as the file's metadata say, and widened or narrowed to square pixels.

    Args:
        path: of the file.
        every: yield every n-th frame only; numbers and times stay those in the file.
        quarter_turns: by which images are rotated counterclockwise in addition.

    Attributes:
        fps: mean frame rate, in frames per second; the frames' own timestamps may be irregular.
        pixel_aspect: width of a pixel in the file divided by its height.
        frame_count: according to the file's header; an estimate for some formats; 0 if unknown.
        frames_read: so far.
        frames_lost: packets so far that could not be decoded.
        start_s: timestamp of the first frame in the file, in seconds; 0 before it was read.

    Raises:
        FileNotFoundError: the file does not exist.
        PermissionError: the file is not readable.
        ValueError: the file is not a video, is damaged, or (at the end of the iteration) has no frames.
    """

    def __init__(self, path: str | Path, every: int = 1, quarter_turns: int = 0):
        self.path, self.every, self.quarter_turns = Path(path), every, quarter_turns
        self.container = open_container(self.path)
        stream = self.container.streams.best("video")
        if not isinstance(stream, VideoStream):
            self.close()
            raise ValueError(f"{self.path} is not a video that can be read (it has no pictures).")
        self.stream = stream
        self.stream.thread_type = "AUTO"
        self.fps = self._get_fps()
        self.pixel_aspect = float(self.stream.sample_aspect_ratio or 1)
        self.frame_count = self._get_frame_count()
        self.frames_read = self.frames_lost = 0
        self.start_s = 0.0

    def __iter__(self) -> Iterator[Frame]:
        seconds = -1 / self.fps
        for decoded in self._decode():
            if not self.frames_read:
                self.start_s = decoded.time or 0.0
            timestamp = -math.inf if decoded.time is None else decoded.time - self.start_s
            # In files without timestamps, the frames follow each other at the frame rate.
            seconds = timestamp if timestamp > seconds else seconds + 1 / self.fps
            self.frames_read += 1
            if (self.frames_read - 1) % self.every == 0:
                yield Frame(self.frames_read, seconds, self._to_image(decoded))
        self.close()
        if not self.frames_read:
            raise ValueError(f"{self.path} is not a video that can be read (it has no frames).")

    def sample(self, n_frames: int) -> list[np.ndarray]:
        """Return images of at most `n_frames` frames, spread over the video; it can't be iterated over afterwards.

        There are none if the container can't be searched, or has its only key frame at the start.
        """
        start, duration = self.container.start_time or 0, self.container.duration or 0
        images = []
        try:
            for index in range(n_frames):
                target = start + round((index + 0.5) / n_frames * duration)
                self.container.seek(target)  # to the key frame before it
                frames = islice(self._decode(), MAX_FRAMES_AFTER_SEEK)
                later = (
                    frame for frame in frames if frame.time is None or frame.time * av.time_base >= target
                )
                images += [self._to_image(frame) for frame in islice(later, 1)]
        except av.FFmpegError:  # in a container without timestamps
            pass
        return images

    @property
    def is_incomplete(self) -> bool:
        """Whether, after the last frame, some are known to be missing."""
        return self.frames_lost > 0 or is_truncated(self.path)

    @property
    def notes(self) -> list[str]:
        """Say after the last frame which are missing, and whether all were rotated."""
        notes = []
        if self.quarter_turns:
            notes.append(
                f"rotated by {90 * self.quarter_turns} degrees counterclockwise, so that faces are upright"
            )
        if self.frames_lost:
            frames = format_count(self.frames_lost, "frame")
            notes.append(f"{frames} could not be decoded; {self.frames_read:,} were read")
        if is_truncated(self.path):
            notes.append(f"the file is cut short; {format_count(self.frames_read, 'frame')} could be read")
        return notes

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def _to_image(self, frame: av.VideoFrame) -> np.ndarray:
        """Convert a decoded frame to an image (height, width, 3) uint8 RGB as a player shows it."""
        width = max(1, round(frame.width * self.pixel_aspect))
        image = frame.reformat(width=width, format="rgb24").to_ndarray()
        return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) + self.quarter_turns))

    def _get_fps(self) -> float:
        rates = (float(rate) for rate in (self.stream.average_rate, self.stream.guessed_rate) if rate)
        return next((rate for rate in rates if 0 < rate < MAX_FPS), DEFAULT_FPS)

    def _get_frame_count(self) -> int:
        if self.stream.frames or not self.container.duration:
            return self.stream.frames
        return max(0, round(self.container.duration / av.time_base * self.fps))

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield the frames that can be decoded."""
        failures = 0
        packets = self.container.demux(self.stream)
        while failures <= MAX_CONSECUTIVE_FAILURES:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = self.stream.decode(packet)
            except av.FFmpegError:
                failures += 1
                self.frames_lost += 1
                packets = self.container.demux(self.stream)  # a generator that has raised an error has ended
                continue
            failures = 0
            yield from frames


def open_container(path: Path) -> "av.container.InputContainer":
    """Open a video file; raises as VideoReader does."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist or is not a file.")
    with open(path, "rb"):  # raises PermissionError
        pass
    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
    try:
        return av.open(str(path), options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        reason = "it is cut off or its format is unknown" if path.stat().st_size else "it is empty"
        raise ValueError(f"{path} is not a video that can be read ({reason}).") from error
