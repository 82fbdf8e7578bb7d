"""Decode a video file in a process of its own, so that a file that hangs or crashes the decoder costs that file only.

The process writes to its output a JSON line about the video, for each frame a JSON line and its pixels, and at the end
a JSON line. These are no pickles, so that a file that takes over the decoder gets no further.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.vision.orientation import open_upright
from pipeline.vision.video_io import DEFAULT_FPS, Frame
from pipeline.workflow.steps import ROOT

TIMEOUT_S = (
    60.0  # for the first frame, and from each frame to the next; a frame of 8K takes less than a second
)
MAX_LINE_BYTES = 1 << 20
ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (ValueError, FileNotFoundError, PermissionError, OSError, MemoryError)
}


class IsolatedVideoReader:
    """A VideoReader of open_upright whose file is decoded in another process.

    Args:
        path: of the file.
        every: yield every n-th frame only.
        timeout_s: time without a frame after which the file is given up, in addition to a second for each skipped one.

    Attributes:
        path, fps, frame_count, start_s, notes, is_incomplete: as those of VideoReader.

    Raises:
        FileNotFoundError, PermissionError, ValueError: as VideoReader does; the last one also if there is no frame for
            `timeout_s`, or the decoder crashes.
    """

    def __init__(self, path: str | Path, every: int = 1, timeout_s: float = TIMEOUT_S):
        self.path, self.timeout_s = Path(path), timeout_s + every - 1
        self.fps, self.frame_count, self.start_s = DEFAULT_FPS, 0, 0.0
        self.notes: list[str] = []
        self.is_incomplete = False
        self.has_timed_out = False
        command = [
            sys.executable,
            "-m",
            "pipeline.vision.video_worker",
            str(self.path.absolute()),
            str(every),
        ]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        header = self._receive()[0]
        self.fps, self.frame_count = float(header["fps"]), int(header["frame_count"])

    def __iter__(self) -> Iterator[Frame]:
        while True:
            message, pixels = self._receive()
            if "notes" in message:
                self.notes = [str(note) for note in message["notes"]]
                self.is_incomplete = bool(message["is_incomplete"])
                self.close()
                return
            self.start_s = float(message["start_s"])
            yield Frame(int(message["number"]), float(message["seconds"]), pixels)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def _receive(self) -> tuple[dict[str, Any], np.ndarray]:
        """Return the next message, with the pixels of its frame if it has one."""
        timer = threading.Timer(self.timeout_s, self._give_up)
        timer.start()
        try:
            message, pixels = receive(self.process.stdout)
        except (EOFError, ValueError) as error:
            self.close()
            reason = "its decoder has crashed"
            if self.has_timed_out:
                reason = f"no frame could be decoded for {self.timeout_s:g} seconds"
            raise ValueError(f"{self.path} cannot be read as a video ({reason}).") from error
        finally:
            timer.cancel()
        if "error" in message:
            self.close()
            text = str(message["message"]).replace(str(self.path.absolute()), str(self.path))
            raise ERRORS.get(message["error"], ValueError)(text)
        return message, pixels

    def _give_up(self) -> None:
        self.has_timed_out = True
        self.process.kill()


def receive(stream: IO[bytes] | None) -> tuple[dict[str, Any], np.ndarray]:
    """Return a message that `send` wrote.

    Raises:
        EOFError: the stream has ended.
        ValueError: it holds something else.
    """
    assert stream is not None
    line = stream.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    pixels = np.empty(message.get("shape", (0,)), np.uint8)
    view, position = pixels.reshape(-1).data, 0
    while position < len(view):
        n_bytes = stream.readinto(view[position:])  # type: ignore[attr-defined]
        if not n_bytes:
            raise EOFError
        position += n_bytes
    return message, pixels


def send(stream: IO[bytes], message: dict[str, Any], pixels: np.ndarray | None = None) -> None:
    """Write a message, and the pixels of a frame, (height, width, 3) uint8."""
    shape = {} if pixels is None else {"shape": pixels.shape}
    stream.write(json.dumps(message | shape).encode() + b"\n")
    if pixels is not None:
        stream.write(np.ascontiguousarray(pixels).data)
    stream.flush()


def main() -> None:
    """Decode the file that the first argument names, every n-th frame as the second one says."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the terminal's Ctrl-C is for the process that reads the frames
    stream = sys.stdout.buffer
    with contextlib.suppress(BrokenPipeError):  # that process has ended
        try:
            reader = open_upright(Path(sys.argv[1]), int(sys.argv[2]))
            send(stream, {"fps": reader.fps, "frame_count": reader.frame_count})
            for frame in reader:
                times = {"number": frame.number, "seconds": frame.seconds, "start_s": reader.start_s}
                send(stream, times, frame.image)
            send(stream, {"notes": reader.notes, "is_incomplete": reader.is_incomplete})
        except BrokenPipeError:
            raise
        except Exception as error:
            send(stream, {"error": type(error).__name__, "message": str(error)})


if __name__ == "__main__":
    main()
