"""The one place where gray levels become floats and floats gray levels."""

import numpy as np


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Convert uint8 gray levels (black 0, white 255) of any shape to float32 in [0, 1]."""
    return np.divide(pixels, 255.0, dtype=np.float32)


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Convert floats in [0, 1] of any shape to uint8 gray levels, rounded."""
    return np.rint(pixels * 255).astype(np.uint8)
