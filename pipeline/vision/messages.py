"""Exchange messages between this process and one that decodes files: lines of JSON, and the pixels of images.

These are no pickles, so that a file that takes over a decoder gets no further.
"""

import json
from typing import IO, Any

from pipeline.workflow.errors import find_machine_error

import numpy as np

MAX_LINE_BYTES = 1 << 24
ERRORS: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (ValueError, FileNotFoundError, PermissionError, OSError, MemoryError, ImportError)
}


def send(stream: IO[bytes] | None, message: dict[str, Any], pixels: np.ndarray | None = None) -> None:
    """Write a message, and an array of uint8, such as a frame (height, width, 3)."""
    assert stream is not None
    shape = {} if pixels is None else {"shape": pixels.shape}
    stream.write(json.dumps(message | shape).encode() + b"\n")
    if pixels is not None:
        stream.write(np.ascontiguousarray(pixels).data)
    stream.flush()


def receive(stream: IO[bytes] | None) -> tuple[dict[str, Any], np.ndarray]:
    """Return a message that `send` wrote, and its array, which is empty if it has none.

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


def describe_error(error: Exception) -> dict[str, Any]:
    """Return the message from which `to_error` makes the error again, or the error of the machine that caused it."""
    error = find_machine_error(error) or error  # type: ignore[assignment]
    name = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in ERRORS), "")
    if isinstance(error, OSError) and error.errno:
        filename = None if error.filename is None else str(error.filename)
        return {"error": name, "arguments": [error.errno, error.strerror, filename]}
    text = str(error) if name else f"{type(error).__name__}: {error}"
    return {"error": name, "arguments": [text]}


def to_error(message: dict[str, Any]) -> Exception:
    """Return the error that a message describes."""
    return ERRORS.get(message["error"], ValueError)(*message["arguments"])
