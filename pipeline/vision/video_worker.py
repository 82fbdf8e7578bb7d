"""Decode a video file in a process of its own, so that a file that hangs or crashes the decoder costs that file only.

The process writes to its output a JSON line about the video, for each frame a JSON line and its pixels, and at the end
a JSON line.
"""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.vision.messages import describe_error, receive, send, to_error
from pipeline.vision.orientation import open_upright
from pipeline.vision.video_io import DEFAULT_FPS, Frame
from pipeline.workflow.processes import ignore_signals
from pipeline.workflow.steps import ROOT

TIMEOUT_S = (
    60.0  # for the first frame, and from each frame to the next; a frame of 8K takes less than a second
)


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
            os.getcwd(),
            str(self.path),
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
            raise ValueError(f"{self.path} is not a video that can be read ({reason}).") from error
        finally:
            timer.cancel()
        if "error" in message:
            self.close()
            raise to_error(message)
        return message, pixels

    def _give_up(self) -> None:
        self.has_timed_out = True
        self.process.kill()


def main() -> None:
    """Decode every n-th frame of a file; the arguments are the folder of its relative path, the path, and n."""
    ignore_signals()  # the process that reads the frames ends this one
    stream = sys.stdout.buffer
    with contextlib.suppress(BrokenPipeError):  # that process has ended
        try:
            os.chdir(sys.argv[1])
            reader = open_upright(Path(sys.argv[2]), int(sys.argv[3]))
            send(stream, {"fps": reader.fps, "frame_count": reader.frame_count})
            for frame in reader:
                times = {"number": frame.number, "seconds": frame.seconds, "start_s": reader.start_s}
                send(stream, times, frame.image)
            send(stream, {"notes": reader.notes, "is_incomplete": reader.is_incomplete})
        except BrokenPipeError:
            raise
        except Exception as error:
            send(stream, describe_error(error))


if __name__ == "__main__":
    main()
