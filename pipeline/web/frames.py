"""Decode the camera's frames, and limit the size of the images that the page shows."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

MAX_SIDE = 1280  # pixels, of a camera's frame and of every image that the page shows


def decode_frame(data_url: str) -> np.ndarray:
    """Decode a JPEG in a data URL to (height, width, 3) uint8 RGB.

    Raises:
        ValueError: it is not a JPEG, or a side has more than MAX_SIDE pixels.
    """
    try:
        jpeg = io.BytesIO(base64.b64decode(data_url.partition(",")[2], validate=True))
        with Image.open(jpeg, formats=("JPEG",)) as image:
            if max(image.size) <= MAX_SIDE:  # the size is in the header; nothing has been decompressed yet
                return np.array(image.convert("RGB"))
    except Exception as error:  # Pillow raises many types of errors for damaged images
        raise ValueError("The camera's frame is not a JPEG image.") from error
    raise ValueError(f"The camera's frame is larger than {MAX_SIDE} pixels.")


def limit_size(image: np.ndarray) -> np.ndarray:
    """Scale an image (height, width, 3) uint8 down to at most MAX_SIDE pixels; return a smaller one unchanged."""
    scale = MAX_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
