"""Degrade faces as a poor camera does: exposure, noise, blur, JPEG compression, few gray levels.

The kinds are those of ImageNet-C that a camera causes: D. Hendrycks and T. Dietterich, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations", ICLR 2019, https://arxiv.org/abs/1903.12261.

Each corruption takes a face (H, W) float32 in [0, 1], a strength from 0 (weak) to 1 (strong) and a generator, and
returns the degraded face with the same shape, type and range (but see `quantize`).
"""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.data.pixels import to_float, to_uint8

MAX_GAMMA_LOG2 = 1.0  # gamma from 1/2 to 2
MAX_NOISE_SIGMA = 16 / 255  # of Gaussian noise, in [0, 1]
MIN_BLUR_SIGMA, MAX_BLUR_SIGMA = 0.1, 1.2  # pixels, of a Gaussian blur
WORST_JPEG_QUALITY, BEST_JPEG_QUALITY = 15, 80
MIN_EXPOSURE = 0.08  # share of the light that is left in low light

Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def corrupt(faces: np.ndarray, is_chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Degrade the chosen faces, each by one corruption of random kind and strength.

    Args:
        faces: (N, H, W, 1) float32 in [0, 1].
        is_chosen: (N,) bool.
        rng: Source of all randomness.

    Returns:
        (N, H, W, 1) float32, a copy.
    """
    corrupted = faces.copy()
    kinds = rng.integers(len(CORRUPTIONS), size=len(faces))
    strengths = rng.random(len(faces))
    for index in np.flatnonzero(is_chosen):
        apply = CORRUPTIONS[kinds[index]]
        corrupted[index, :, :, 0] = apply(faces[index, :, :, 0], strengths[index], rng)
    return corrupted


def change_gamma(face: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Brighten (strength below 0.5) or darken the midtones; black and white stay."""
    return face ** np.float32(2.0 ** (MAX_GAMMA_LOG2 * (2 * strength - 1)))


def add_noise(face: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise, as a sensor does."""
    noise = rng.standard_normal(face.shape, np.float32)
    return np.clip(face + np.float32(strength * MAX_NOISE_SIGMA) * noise, 0, 1)


def blur(face: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian, as a lens out of focus does."""
    sigma = max(MIN_BLUR_SIGMA, strength * MAX_BLUR_SIGMA)
    return cv2.GaussianBlur(face, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def compress(face: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Compress as JPEG and decompress."""
    quality = round(BEST_JPEG_QUALITY - strength * (BEST_JPEG_QUALITY - WORST_JPEG_QUALITY))
    _, encoded = cv2.imencode(".jpg", to_uint8(face), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return to_float(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)))


def quantize(face: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Reduce the number of gray levels, as low light does whose contrast is stretched afterwards.

    The number of levels is not rounded, so white may become up to 1.025.
    """
    levels = np.float32(255 * (1 - strength * (1 - MIN_EXPOSURE)))
    return np.rint(face * levels) / levels


CORRUPTIONS: tuple[Corruption, ...] = (change_gamma, add_noise, blur, compress, quantize)
