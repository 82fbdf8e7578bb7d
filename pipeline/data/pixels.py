"""Convert gray levels between uint8, as the data set and images have them, and float32, as networks take them."""

import numpy as np


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Convert gray levels of any shape, 0 black to 255 white, to float32 in [0, 1]."""
    return np.divide(pixels, 255.0, dtype=np.float32)


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Convert floats in [0, 1] of any shape to uint8 gray levels, rounded."""
    return np.rint(pixels * 255).astype(np.uint8)
