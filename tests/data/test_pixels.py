"""Gray levels survive the conversion to floats and back, with the same bits as a division by 255."""

import numpy as np

from pipeline.data.pixels import to_float, to_uint8

GRAY_LEVELS = np.arange(256, dtype=np.uint8)


def test_to_float_divides_by_255_in_float32():
    floats = to_float(GRAY_LEVELS.reshape(16, 16))
    assert floats.shape == (16, 16) and floats.dtype == np.float32
    assert np.array_equal(floats.ravel(), np.divide(GRAY_LEVELS, 255.0, dtype=np.float32))


def test_to_uint8_inverts_to_float():
    pixels = to_uint8(to_float(GRAY_LEVELS))
    assert pixels.dtype == np.uint8 and np.array_equal(pixels, GRAY_LEVELS)


def test_to_uint8_rounds_to_the_nearest_gray_level():
    assert to_uint8(np.array([0.4, 0.6, 100.4, 254.6]) / 255).tolist() == [0, 1, 100, 255]
