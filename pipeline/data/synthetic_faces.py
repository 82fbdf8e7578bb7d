"""Generate synthetic faces that take the place of FER2013 where the data set is not available.

FER2013 may not be redistributed, so this module generates faces of its own: each has a random person, pose, light and
camera, and expresses its emotion by the action units of facial_actions.py; face_renderer.py renders it.
"""

from types import SimpleNamespace

import numpy as np

from pipeline.data.face_renderer import render_faces
from pipeline.data.facial_actions import (
    ACTION_UNITS,
    DISPLACEMENT_MATRIX,
    FACE_PARTS,
    PROTOTYPE_MATRICES,
)
from pipeline.data.fer2013 import EMOTIONS, SIDE, Emotions

BATCH_SIZE = 64  # faces rendered at once: few enough for a layer (0.6 MB) to stay in the processor's cache

# For each emotion, in the order of EMOTIONS.
CLASS_SHARES = np.array([0.139, 0.015, 0.143, 0.251, 0.169, 0.112, 0.171])  # of all rows, as in FER2013
CONFUSIONS = np.array(  # the emotions that a wrongly labeled face shows, equally likely
    [[1, 4, 6], [0, 0, 4], [5, 5, 4], [6, 6, 5], [6, 6, 2], [2, 2, 3], [4, 4, 0]]
)
LABEL_NOISE = 0.05  # share of the rows of `make_table` whose face shows another emotion than its label
MIN_FACES_PER_CLASS = 3  # in a split, if it has enough rows

INTENSITY = (0.6, 1.1)  # range of a face's overall intensity of expression
BALANCE = (0.7, 1.25)  # range of the relative intensity of each action unit
MEAN_STRAY_INTENSITY = 0.02  # of all action units, related to the emotion or not

# Ranges of the attributes of person, pose, light and camera; independent and uniform.
ATTRIBUTE_RANGES: dict[str, tuple[float, float]] = {
    # Head, skin and hair
    "width": (0.70, 0.84), "jawline": (0.10, 0.34), "skin": (0.48, 0.90), "beard": (0.25, 0.75),
    "hair": (0.04, 0.60), "hairline": (-0.72, -0.46), "volume": (0.04, 0.20), "length": (-0.3, 1.6),
    "part": (-0.25, 0.25),
    # Brows, eyes, nose and mouth
    "brow_y": (-0.40, -0.33), "brow_h": (0.03, 0.06), "brow_arch": (0.0, 0.06),
    "eye_x": (0.30, 0.37), "eye_w": (0.175, 0.225), "eye_open": (0.08, 0.115), "iris": (0.08, 0.40),
    "nose_w": (0.10, 0.16), "nose_y": (0.20, 0.28), "mouth_y": (0.52, 0.60), "mouth_w": (0.25, 0.33),
    "lips_h": (0.04, 0.075), "lip_tone": (0.55, 0.80), "smirk": (-0.06, 0.06), "gaze": (-0.05, 0.05),
    # Pose (roll and yaw in radians), light, background and camera
    "roll": (-0.18, 0.18), "yaw": (-0.32, 0.32), "pitch": (-0.05, 0.05),
    "zoom": (1.0, 1.22), "shift_x": (-0.10, 0.10), "shift_y": (-0.08, 0.08),
    "light_x": (-0.8, 0.8), "light_y": (-0.9, 0.1), "ambient": (0.28, 0.50), "backdrop": (0.05, 0.95),
    "gain": (0.85, 1.15), "offset": (-0.06, 0.06), "blur": (0.0, 0.9), "noise": (0.004, 0.022),
    # Place and angle of an object that hides part of the face
    "occluder_x": (-0.9, 0.9), "occluder_y": (0.5, 1.0), "occluder_turn": (-0.6, 0.6),
}  # fmt: skip
# Probabilities of the attributes that a face has or has not.
ATTRIBUTE_PROBABILITIES: dict[str, float] = {
    "bald": 0.08, "bearded": 0.20, "moustache": 0.06, "glasses": 0.12,
    "hand": 0.04, "strand": 0.04, "bar": 0.015,
}  # fmt: skip


def check_drawable(emotions: Emotions) -> None:
    """Raise ValueError for other emotions than FER2013's seven."""
    if others := [name for name in emotions if name not in EMOTIONS]:
        raise ValueError(
            f"There are no synthetic faces of {' and '.join(others)}, only of {', '.join(EMOTIONS)}. Pass a data set: "
            "--dataset path/to/a/file/or/folder"
        )


def draw_faces(emotion: np.ndarray, seed: int) -> np.ndarray:
    """Draw a face for each emotion, each of another person.

    Face i depends only on `seed`, i and emotion[i], so the first faces stay the same if more are drawn.

    Args:
        emotion: (N,) integers 0 to 6, indices into EMOTIONS.
        seed: A whole number of at least 0.

    Returns:
        (N, 48, 48) uint8, 0 black to 255 white.
    """
    emotion = np.asarray(emotion)
    if emotion.ndim != 1 or not np.issubdtype(emotion.dtype, np.integer):
        raise ValueError("The emotions must be a one-dimensional array of integers.")
    if emotion.size and (emotion.min() < 0 or emotion.max() >= len(PROTOTYPE_MATRICES)):
        raise ValueError(f"The emotions must be integers from 0 to {len(PROTOTYPE_MATRICES) - 1}.")
    _check_integer("seed", seed, minimum=0)
    pixels = np.empty((len(emotion), SIDE, SIDE), np.uint8)
    for start in range(0, len(emotion), BATCH_SIZE):
        batch = slice(start, start + BATCH_SIZE)
        rng = np.random.default_rng([seed, 1 + start])  # independent of the generator of `make_table`
        parameters = _draw_parameters(emotion[batch], rng)
        noise = rng.standard_normal((BATCH_SIZE, SIDE, SIDE), np.float32)[: len(emotion[batch])]
        pixels[batch] = render_faces(parameters, noise)
    return pixels


def make_table(size: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a synthetic data set with FER2013's class shares, order of splits and some label noise.

    From 300 rows on, all splits contain all emotions at least three times. A share LABEL_NOISE of the faces shows an
    emotion that is easily confused with the label.

    Args:
        size: Number of rows, at least 1.
        seed: A whole number of at least 0.

    Returns:
        emotion (size,) uint8, the labels; pixels (size, 48, 48) uint8; and usage (size,) str, in the order "Training"
        (80%), "PublicTest" (10%), "PrivateTest" (10%).
    """
    _check_integer("size", size, minimum=1)
    _check_integer("seed", seed, minimum=0)
    rng = np.random.default_rng(seed)
    tenth = size // 10
    split_sizes = {"Training": size - 2 * tenth, "PublicTest": tenth, "PrivateTest": tenth}
    usage = np.repeat(list(split_sizes), list(split_sizes.values()))
    emotion = np.concatenate([rng.permutation(_make_labels(n_rows)) for n_rows in split_sizes.values()])
    # Label noise changes the face, not the label, so that the class shares stay as they are.
    confused = CONFUSIONS[emotion, rng.integers(CONFUSIONS.shape[1], size=size)]
    shown = np.where(rng.random(size) < LABEL_NOISE, confused, emotion)
    return emotion, draw_faces(shown, seed), usage


def _check_integer(name: str, value: int, minimum: int) -> None:
    """Raise ValueError unless `value` is a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise ValueError(f"The {name} must be a whole number of at least {minimum}.")


def _make_labels(n_rows: int) -> np.ndarray:
    """Make the labels of a split in the proportions of CLASS_SHARES, sorted, (n_rows,) uint8."""
    n_classes = len(CLASS_SHARES)
    minimum = min(MIN_FACES_PER_CLASS, n_rows // n_classes)
    counts = np.maximum(np.floor(CLASS_SHARES * n_rows).astype(int), minimum)
    counts[CLASS_SHARES.argmax()] += n_rows - counts.sum()  # the largest class compensates for the rounding
    return np.repeat(np.arange(n_classes, dtype=np.uint8), counts)


def _draw_parameters(emotion: np.ndarray, rng: np.random.Generator) -> SimpleNamespace:
    """Draw the parameters of n faces: attributes (0 or 1 for those with a probability) and displaced face parts.

    Args:
        emotion: (n,) integers, n at most BATCH_SIZE.
        rng: Source of all randomness.

    Returns:
        A namespace of (n, 1, 1) float32.
    """
    # Drawn for a full batch, so that a face does not depend on the number of faces after it.
    n = len(emotion)
    attributes = rng.random((BATCH_SIZE, len(ATTRIBUTE_RANGES)))[:n]
    chances = rng.random((BATCH_SIZE, len(ATTRIBUTE_PROBABILITIES)))[:n]
    choices = rng.random(BATCH_SIZE)[:n]
    intensity = rng.uniform(*INTENSITY, (BATCH_SIZE, 1))[:n]
    balance = rng.uniform(*BALANCE, (BATCH_SIZE, len(ACTION_UNITS)))[:n]
    stray = rng.exponential(MEAN_STRAY_INTENSITY, (BATCH_SIZE, len(ACTION_UNITS)))[:n]

    prototypes = [PROTOTYPE_MATRICES[label] for label in emotion]
    units = np.stack([rows[int(c * len(rows))] for rows, c in zip(prototypes, choices, strict=True)])
    displacements = (units * intensity * balance + stray) @ DISPLACEMENT_MATRIX
    low, high = np.array(list(ATTRIBUTE_RANGES.values())).T
    columns = dict(zip(ATTRIBUTE_RANGES, (low + (high - low) * attributes).T, strict=True))
    columns |= zip(ATTRIBUTE_PROBABILITIES, (chances < list(ATTRIBUTE_PROBABILITIES.values())).T, strict=True)
    columns |= zip(FACE_PARTS, displacements.T, strict=True)
    return SimpleNamespace(
        **{name: column.astype(np.float32)[:, None, None] for name, column in columns.items()}
    )
