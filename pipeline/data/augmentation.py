"""Training faces changed a little each time they are seen, a batch at a time.

Faces are (N, 48, 48, 1) float32 in [0, 1], labels (N, 7) float32. All chance comes from the generator that is
handed in, so that the same generator gives the same batch.
"""

from dataclasses import dataclass
import cv2
import numpy as np



@dataclass(frozen=True)
class Augmentation:
    """How much a face may be changed; zeros change nothing."""

    flip: bool = False  # mirror every second face, on average
    rotate: float = 0.0  # degrees, either way
    shift: float = 0.0  # pixels, each way
    zoom: float = 0.0  # share, in or out
    contrast: float = 0.0  # share, more or less
    brightness: float = 0.0  # of the range from black to white, up or down
    erase: int = 0  # pixels: the longest side of a patch made gray
    mixup: float = 0.0  # alpha of the Beta distribution from which the share of another face is drawn

    def __call__(
        self, faces: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """A batch as the network is to see it this time."""
        if self.flip or self.rotate or self.shift or self.zoom:
            faces = warp(faces, self.draw_transforms(len(faces), faces.shape[1], rng))
        if self.contrast or self.brightness:
            contrast = 1 + rng.uniform(-self.contrast, self.contrast, len(faces))
            faces = adjust_lighting(faces, contrast, rng.uniform(-self.brightness, self.brightness, len(faces)))
        if self.erase:
            faces = erase_rectangles(faces, *self.draw_patches(len(faces), faces.shape[1], rng))
        if self.mixup:
            return mix_faces(faces, labels, rng.beta(self.mixup, self.mixup), rng.permutation(len(faces)))
        return faces, labels

    def draw_transforms(self, faces: int, side: int, rng: np.random.Generator) -> np.ndarray:
        """Random movements for `move`, (faces, 6)."""
        mirror = np.where(self.flip & (rng.random(faces) < 0.5), -1.0, 1.0)
        angle = np.deg2rad(rng.uniform(-self.rotate, self.rotate, faces))
        scale = 1 / (1 + rng.uniform(-self.zoom, self.zoom, faces))
        shift = rng.uniform(-self.shift, self.shift, (2, faces))
        return affine_matrices(mirror, angle, scale, shift, side)

    def draw_patches(self, faces: int, side: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Random patches for `erase`: top, left, height, width in pixels and gray, (faces,) each."""
        height, width = rng.integers(0, self.erase + 1, (2, faces))
        top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
        return top, left, height, width, rng.random(faces, np.float32)


def affine_matrices(
    mirror: np.ndarray, angle: np.ndarray, scale: np.ndarray, shift: np.ndarray, side: int
) -> np.ndarray:
    """Rows (a0, a1, a2, b0, b1, b2): output pixel (x, y) is input (a0 x + a1 y + a2, b0 x + b1 y + b2).

    All turn about the middle of the picture. mirror: 1 or -1; angle: radians; scale: input pixels per output
    pixel; shift: (2, N) pixels right and down.
    """
    middle = (side - 1) / 2
    a0, a1 = mirror * scale * np.cos(angle), -mirror * scale * np.sin(angle)
    b0, b1 = scale * np.sin(angle), scale * np.cos(angle)
    x, y = middle + shift
    rows = [a0, a1, middle - a0 * x - a1 * y, b0, b1, middle - b0 * x - b1 * y]
    return np.stack(rows, axis=1).astype(np.float32)


def warp(faces: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mirror, rotate, zoom and shift by `transforms`, bilinear; what comes from outside is the nearest edge.

    By OpenCV, which rounds places to 1/32 pixel: four times as fast as TensorFlow's own, and the thread that prepares
    a batch doesn't wait for threads that are training.
    """
    moved = np.empty_like(faces)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for face, target, row in zip(faces, moved, rows, strict=True):
        size = (face.shape[1], face.shape[0])
        cv2.warpAffine(face, row.reshape(2, 3), size, dst=target, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return moved


def adjust_lighting(faces: np.ndarray, contrast: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Stretch each face's grays about their mean by `contrast` and add `brightness`, within [0, 1]."""
    mean = faces.mean(axis=(1, 2, 3), keepdims=True)
    stretch, lift = (values.astype(np.float32)[:, None, None, None] for values in (contrast, brightness))
    relit = faces * stretch
    relit += mean * (1 - stretch) + lift
    return np.clip(relit, 0, 1, out=relit)


def erase_rectangles(
    faces: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    gray: np.ndarray,
) -> np.ndarray:
    """Put a patch of one gray over each face. Z. Zhong et al., "Random Erasing Data Augmentation", 2017."""
    erased = faces.copy()
    for face, y, x, rows, columns, shade in zip(erased, top, left, height, width, gray, strict=True):
        face[y : y + rows, x : x + columns] = shade
    return erased


def mix_faces(
    faces: np.ndarray, labels: np.ndarray, share: float, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`share` of each face and label, and the rest of another. H. Zhang et al., "mixup", 2017."""
    share = np.float32(share)
    return share * faces + (1 - share) * faces[others], share * labels + (1 - share) * labels[others]
