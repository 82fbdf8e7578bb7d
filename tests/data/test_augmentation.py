"""Each augmentation equals a slow loop over pixels; randomness, types and ranges are as documented."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.data.augmentation import (
    Augmentation,
    adjust_lighting,
    affine_matrices,
    erase_rectangles,
    mix_faces,
    warp,
)

SIDE = 12
N_FACES = 5
MAX_GRAY = 1.025  # corruptions.quantize may exceed 1
ALL = Augmentation(
    flip=True,
    rotate=15,
    translate=3,
    zoom=0.2,
    contrast=0.3,
    brightness=0.2,
    corruption=0.5,
    random_erasing=6,
    mixup=0.4,
)


@pytest.fixture
def faces(rng) -> np.ndarray:
    return rng.random((N_FACES, SIDE, SIDE, 1), np.float32)


@pytest.fixture
def targets(rng) -> np.ndarray:
    return np.eye(7, dtype=np.float32)[rng.integers(0, 7, N_FACES)]


def interpolate(face: np.ndarray, x: float, y: float) -> float:
    """Return the gray value between pixels, bilinear, with the border replicated."""
    left, top = int(np.floor(x)), int(np.floor(y))
    gray = 0.0
    for row, weight_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, weight_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            pixel = face[min(max(row, 0), SIDE - 1), min(max(column, 0), SIDE - 1), 0]
            gray += weight_x * weight_y * pixel
    return gray


def warp_slowly(
    face: np.ndarray, mirror: float, angle: float, scale: float, right: float, down: float
) -> np.ndarray:
    """For each output pixel: undo translation, rotation, zoom and flip, and interpolate the input there."""
    center = (SIDE - 1) / 2
    warped = np.empty_like(face)
    for row in range(SIDE):
        for column in range(SIDE):
            x, y = column - center - right, row - center - down
            rotated_x = scale * (np.cos(angle) * x - np.sin(angle) * y) * mirror
            rotated_y = scale * (np.sin(angle) * x + np.cos(angle) * y)
            warped[row, column, 0] = interpolate(face, rotated_x + center, rotated_y + center)
    return warped


@pytest.mark.parametrize(
    "parameters",
    [
        (1, 0, 1, 0, 0),
        (-1, 0, 1, 0, 0),
        (1, 0, 1, 2, -1),
        (1, 0.3, 1, 0, 0),
        (1, 0, 1.2, 0, 0),
        (1, 0, 0.8, 0, 0),
        (-1, -0.2, 1.1, 1.5, 0.7),
    ],
    ids=["identity", "flip", "translate", "rotate", "zoom out", "zoom in", "all"],
)
def test_warp_equals_a_loop_over_pixels(faces, parameters):
    mirror, angle, scale, right, down = parameters
    ones = np.ones(N_FACES)
    translation = np.outer([right, down], ones)
    matrices = affine_matrices(mirror * ones, angle * ones, scale * ones, translation, SIDE)
    expected = np.stack([warp_slowly(face, *parameters) for face in faces])
    # OpenCV rounds x and y to 1/32 pixel; neighbors here differ by at most 1.
    np.testing.assert_allclose(warp(faces, matrices), expected, atol=2 / 64 + 1e-3)
    if angle == 0 and scale == 1 and right == int(right):
        np.testing.assert_allclose(warp(faces, matrices), expected, atol=1e-6)


def test_flip_is_exact_and_translation_moves_right_and_down(faces):
    one, zero = np.ones(N_FACES), np.zeros((2, N_FACES))
    flipped = warp(faces, affine_matrices(-one, 0 * one, one, zero, SIDE))
    np.testing.assert_allclose(flipped, faces[:, :, ::-1], atol=1e-5)
    translated = warp(faces, affine_matrices(one, 0 * one, one, np.stack([2 * one, one]), SIDE))
    np.testing.assert_allclose(translated[:, 1:, 2:], faces[:, :-1, :-2], atol=1e-5)


def test_adjust_lighting_equals_a_loop_over_pixels(faces, rng):
    contrast, brightness = rng.uniform(0.5, 1.5, N_FACES), rng.uniform(-0.3, 0.3, N_FACES)
    expected = np.empty_like(faces)
    for index, face in enumerate(faces):
        mean = sum(face.ravel().tolist()) / face.size
        for row in range(SIDE):
            for column in range(SIDE):
                gray = (face[row, column, 0] - mean) * contrast[index] + mean + brightness[index]
                expected[index, row, column, 0] = min(max(gray, 0), 1)
    np.testing.assert_allclose(adjust_lighting(faces, contrast, brightness), expected, atol=1e-5)


def test_erase_rectangles_equals_a_loop_over_pixels(faces):
    top, left = np.array([0, 3, 11, 2, 0]), np.array([0, 4, 11, 0, 0])
    height, width = np.array([3, 2, 1, 0, 12]), np.array([2, 5, 1, 4, 12])
    gray = np.linspace(0, 1, N_FACES, dtype=np.float32)
    expected = faces.copy()
    for index in range(N_FACES):
        for row in range(top[index], top[index] + height[index]):
            for column in range(left[index], left[index] + width[index]):
                expected[index, row, column, 0] = gray[index]
    assert np.array_equal(erase_rectangles(faces, top, left, height, width, gray), expected)


def test_mix_faces_equals_a_loop_over_faces(faces, targets):
    partners = np.array([1, 2, 3, 4, 0])
    mixed_faces, mixed_targets = mix_faces(faces, targets, 0.3, partners)
    for index, partner in enumerate(partners):
        face = 0.3 * faces[index] + 0.7 * faces[partner]
        target = 0.3 * targets[index] + 0.7 * targets[partner]
        np.testing.assert_allclose(mixed_faces[index], face, atol=1e-6)
        np.testing.assert_allclose(mixed_targets[index], target, atol=1e-6)


def test_shape_type_range_and_the_sum_of_the_targets_are_kept(faces, targets, rng):
    for _ in range(20):
        augmented, mixed = ALL(faces, targets, rng)
        assert augmented.shape == faces.shape and augmented.dtype == np.float32
        assert augmented.min() >= 0 and augmented.max() <= MAX_GRAY
        assert mixed.shape == targets.shape and mixed.dtype == np.float32
        np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-5)


def test_targets_are_unchanged_without_mixup(faces, targets, rng):
    _, unmixed = replace(ALL, mixup=0.0)(faces, targets, rng)
    assert np.array_equal(unmixed, targets)


def test_the_defaults_change_nothing_and_draw_nothing(faces, targets, rng):
    state = rng.bit_generator.state
    augmented, unmixed = Augmentation()(faces, targets, rng)
    assert augmented is faces and unmixed is targets and rng.bit_generator.state == state


def test_only_the_same_generator_gives_the_same_batch(faces, targets):
    first, second, other = (ALL(faces, targets, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_the_steps_run_in_the_documented_order_and_draw_in_the_documented_order(faces, targets):
    """The order of the random draws is part of reproducibility: a change would change trained weights."""
    augmented, mixed = ALL(faces, targets, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    expected = warp(faces, ALL.draw_affine_matrices(N_FACES, SIDE, rng))
    contrast = 1 + rng.uniform(-0.3, 0.3, N_FACES)
    expected = adjust_lighting(expected, contrast, rng.uniform(-0.2, 0.2, N_FACES))
    expected = Augmentation(corruption=0.5)(expected, targets, rng)[0]
    expected = erase_rectangles(expected, *ALL.draw_rectangles(N_FACES, SIDE, rng))
    expected = mix_faces(expected, targets, rng.beta(0.4, 0.4), rng.permutation(N_FACES))
    assert np.array_equal(augmented, expected[0]) and np.array_equal(mixed, expected[1])


def test_the_input_is_not_modified(faces, targets, rng):
    before = faces.copy(), targets.copy()
    ALL(faces, targets, rng)
    assert np.array_equal(faces, before[0]) and np.array_equal(targets, before[1])


def test_random_parameters_fill_their_ranges(rng):
    augmentation = Augmentation(flip=True, rotate=10, translate=2, zoom=0.1, random_erasing=8)
    matrices = augmentation.draw_affine_matrices(2000, 48, rng)
    is_flipped = np.sign(matrices[:, 0]) < 0
    scale, angle = (
        np.hypot(matrices[:, 3], matrices[:, 4]),
        np.rad2deg(np.arctan2(matrices[:, 3], matrices[:, 4])),
    )
    assert 0.45 < is_flipped.mean() < 0.55
    assert 9.5 < abs(angle).max() <= 10.001
    assert 1 / 1.1001 <= scale.min() < 0.92 and 1.1 < scale.max() <= 1 / 0.8999
    top, left, height, width, _ = augmentation.draw_rectangles(2000, 48, rng)
    assert height.max() == 8 and width.min() == 0
    assert (top >= 0).all() and (top + height <= 48).all() and (left + width <= 48).all()


def test_from_settings_takes_the_fields_of_the_same_names():
    values = {field.name: getattr(ALL, field.name) for field in fields(Augmentation)}
    assert Augmentation.from_settings(SimpleNamespace(epochs=3, **values)) == ALL
