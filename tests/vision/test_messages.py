"""Messages and errors arrive as they were sent."""

import errno
import io

import numpy as np
import pytest

from pipeline.vision import messages
from pipeline.vision.messages import describe_error, receive, send, to_error


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"shape": [2, 2, 3]}\nabc', b"x" * messages.MAX_LINE_BYTES]
)
def test_incomplete_message_ends_the_stream(content):
    with pytest.raises(EOFError):
        receive(io.BytesIO(content))


def test_message_is_received_as_it_was_sent(rng):
    pixels, stream = rng.integers(0, 256, (3, 4, 3), np.uint8), io.BytesIO()
    send(stream, {"number": 1}, pixels)
    send(stream, {"notes": ["a"]})
    stream.seek(0)
    message, received = receive(stream)
    assert message["number"] == 1
    np.testing.assert_array_equal(received, pixels)
    assert receive(stream)[0] == {"notes": ["a"]}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x.jpg is empty"),
        FileNotFoundError("x.jpg does not exist"),
        PermissionError(errno.EACCES, "Permission denied", "x.jpg"),
        OSError(errno.ENOSPC, "No space left on device"),
        MemoryError(),
        ImportError("x is not installed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_is_raised_as_it_was_described(error):
    stream = io.BytesIO()
    send(stream, describe_error(error))
    stream.seek(0)
    received = to_error(receive(stream)[0])
    assert type(received) is type(error) and str(received) == str(error)
    assert getattr(received, "errno", None) == getattr(error, "errno", None)


def test_error_of_the_machine_replaces_the_one_that_it_caused():
    error = ValueError("x.jpg cannot be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    received = to_error(describe_error(error))
    assert isinstance(received, OSError) and received.errno == errno.ENOSPC


def test_error_of_an_unknown_type_becomes_a_value_error():
    received = to_error(describe_error(KeyError("x")))
    assert type(received) is ValueError and "x" in str(received)
