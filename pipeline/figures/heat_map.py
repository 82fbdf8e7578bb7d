"""Draw a saliency map over a face, in colors that color-blind people tell apart; needs OpenCV only."""

import cv2
import numpy as np

COLOR_MAP = "inferno"  # perceptually uniform; the name is Matplotlib's
MAX_OPACITY = 0.75  # of the color at the highest saliency; at 0 the face is unchanged


def blend_heat_map(face: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Return a face with its saliency map over it.

    Args:
        face: (height, width) uint8 gray.
        saliency: (h, w) in [0, 1], enlarged bilinearly to the size of the face.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    saliency = cv2.resize(saliency.astype(np.float32), face.shape[::-1], interpolation=cv2.INTER_LINEAR)
    levels = np.rint(255 * np.clip(saliency, 0, 1)).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = MAX_OPACITY * levels[..., np.newaxis] / 255
    return np.rint(face[..., np.newaxis] * (1 - opacity) + colors * opacity).astype(np.uint8)
