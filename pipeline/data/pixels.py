"""Convert gray levels between uint8, as the data set and images have them, and float32, as networks take them."""

import numpy as np

MIN_CONTRAST = 100  # gray levels between the percentiles 1 and 99, below which contrast is stretched


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Convert gray levels of any shape, 0 black to 255 white, to float32 in [0, 1]."""
    return np.divide(pixels, 255.0, dtype=np.float32)


def stretch_contrast(faces: np.ndarray) -> np.ndarray:
    """Stretch the contrast of dark or flat faces: percentile 1 becomes black and percentile 99 white.

    A face whose percentiles are MIN_CONTRAST gray levels or more apart, as nearly all of FER2013's are, stays as it
    is, and so does a constant one. Both new faces and, with --stretch-contrast of step 6, training faces pass here.

    Args:
        faces: (N, 48, 48) or (N, 48, 48, 1) uint8.

    Returns:
        The same shape, uint8; `faces` itself if nothing changes.
    """
    if not len(faces):
        return faces
    pixels = faces.reshape(len(faces), -1)
    low, high = _gray_range(faces)
    is_flat = (high - low < MIN_CONTRAST) & (high > low)
    if not is_flat.any():
        return faces
    low, high = low[is_flat, np.newaxis], high[is_flat, np.newaxis]
    stretched = pixels.copy()
    stretched[is_flat] = np.rint(np.clip((pixels[is_flat] - low) / (high - low) * 255, 0, 255))
    return stretched.reshape(faces.shape)


def has_contrast(faces: np.ndarray) -> np.ndarray:
    """Return whether each of the faces (N, 48, 48) or (N, 48, 48, 1) uint8 shows anything, (N,) bool."""
    low, high = _gray_range(faces)
    return high > low


def _gray_range(faces: np.ndarray) -> np.ndarray:
    """Return the percentiles 1 and 99 of the gray levels of each face, (2, N) float32."""
    return np.percentile(faces.reshape(len(faces), -1), (1, 99), axis=1).astype(np.float32)


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Convert floats in [0, 1] of any shape to uint8 gray levels, rounded."""
    return np.rint(pixels * 255).astype(np.uint8)
