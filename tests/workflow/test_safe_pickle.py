"""A pickle is loaded only if it holds plain data, and loading it never runs code."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from pipeline.workflow import safe_pickle


class Malicious:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickle_is_refused_and_not_run(tmp_path, protocol):
    content = pickle.dumps({"pixels": Malicious(tmp_path / "harm")}, protocol)
    with pytest.raises(pickle.UnpicklingError):
        safe_pickle.load(io.BytesIO(content))
    assert not (tmp_path / "harm").exists()
    pickle.loads(content)  # shows that the pickle works
    assert (tmp_path / "harm").exists()


def nested_lists(depth: int) -> bytes:
    return b"\x80\x05" + b"]" * depth + b"a" * (depth - 1) + b"."


def pickle_array(dtype: str, shape: tuple, content: bytes) -> bytes:
    """Pickle an array's header and content, whether they fit each other or not."""
    header = pickle.dumps(("ndarray", dtype, shape, bytearray(content)), 5)
    return header.removesuffix(b".") + b"Q."


def nested_pairs(depth: int) -> bytes:
    """Pickle a dict whose key is a pair of the same pair of the same pair ...: its hash takes 2**depth steps."""
    pairs = b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86\x94" for n in range(depth))
    return b"\x80\x05}(K\1\x85\x94" + pairs + b"K\1u."


HOSTILE = {
    # numpy.ndarray with the file's shape and buffer: it created objects at addresses of the file's choice.
    "call of ndarray": b"\x80\x03cnumpy\nndarray\n((K\x01tVO\nB\x08\0\0\0AAAAAAAAtR.",
    "NumPy array": pickle.dumps(np.arange(3), 5),
    "NumPy dtype": pickle.dumps(np.dtype("O"), 5),
    "NumPy scalar": pickle.dumps(np.float64(1), 5),
    "function": pickle.dumps(len, 5),
    "range": pickle.dumps(range(3), 2),
    "extension code": b"\x80\x02\x82\x01.",
    "memo of four billion entries": b"\x80\x05]r\xff\xff\xff\xff.",
    "bytes that claim a terabyte": b"\x80\x05\x8e\0\0\0\0\0\1\0\0abc.",
    "deep nesting": nested_lists(100_000),
    "key that takes years to hash": nested_pairs(100),
    "string of what is no character": pickle_array("<U1", (1,), b"\xff" * 4),
    "object array": pickle_array("|O", (1,), b"A" * 8),
    "array shorter than its shape": pickle_array("<f4", (3,), b"A" * 8),
    "negative shape": pickle_array("<f4", (-1, -2), b"A" * 8),
    "huge string dtype": pickle_array("<U4294967295", (0,), b""),
    "void array": pickle_array("V8", (1,), b"A" * 8),
    "structured array": pickle_array("<f4,<f4", (1,), b"A" * 8),
    "data after the end": b"\x80\x05N.N",
    "empty": b"",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_content_is_refused(content):
    with pytest.raises(pickle.UnpicklingError):
        safe_pickle.load(io.BytesIO(content))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 48), np.uint8),
        np.array(2, np.float32),
        np.arange(6.0).reshape(2, 3).T,
        np.array(["a", "bc"]),
    ],
    ids=["empty", "zero-dimensional", "transposed", "strings"],
)
def test_loaded_array_has_the_same_dtype_shape_and_values_and_is_writeable(array):
    file = io.BytesIO()
    array.flags.writeable = False
    safe_pickle.dump(array, file)
    file.seek(0)
    loaded = safe_pickle.load(file)
    assert loaded.dtype == array.dtype and loaded.shape == array.shape and loaded.flags.writeable
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), np.array([None]), {"a": [Path("x")]}, print, np.float64(1)],
    ids=lambda value: type(value).__name__,
)
def test_other_than_plain_data_is_not_dumped(value):
    with pytest.raises(TypeError):
        safe_pickle.dump(value, io.BytesIO())


def test_what_occurs_twice_is_loaded_twice():
    pair, weights = (1, "a"), [np.arange(3), (2, 3)]
    value = {"first": [pair, (pair, pair)], "best": weights, "last": weights}
    file = io.BytesIO()
    safe_pickle.dump(value, file)
    file.seek(0)
    loaded = safe_pickle.load(file)
    assert loaded["first"] == value["first"]
    assert [weights[0].tolist() for weights in (loaded["best"], loaded["last"])] == [[0, 1, 2]] * 2


def test_large_lists_that_occur_twice_are_stored_once():
    file, weights = io.BytesIO(), [np.zeros(10_000)]
    safe_pickle.dump({"best": weights, "last": weights}, file)
    assert file.tell() < 100_000
