"""Each augmentation against a slow, obvious one, and what none of them may do to the labels."""

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


@pytest.fixture
def faces(rng) -> np.ndarray:
    return rng.random((5, SIDE, SIDE, 1), np.float32)


@pytest.fixture
def labels(rng) -> np.ndarray:
    return np.eye(7, dtype=np.float32)[rng.integers(0, 7, 5)]


def look_up(face: np.ndarray, x: float, y: float) -> float:
    """The gray between pixels, bilinear; beyond the edge, that of the nearest pixel."""
    left, top = int(np.floor(x)), int(np.floor(y))
    gray = 0.0
    for row, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = face[min(max(row, 0), SIDE - 1), min(max(column, 0), SIDE - 1), 0]
            gray += share_x * share_y * inside
    return gray


def moved_slowly(
    face: np.ndarray, mirror: float, angle: float, scale: float, right: float, down: float
) -> np.ndarray:
    """For each pixel: undo the shift, turn back, undo the zoom, mirror; and look what was there."""
    middle = (SIDE - 1) / 2
    moved = np.empty_like(face)
    for row in range(SIDE):
        for column in range(SIDE):
            x, y = column - middle - right, row - middle - down
            turned_x = scale * (np.cos(angle) * x - np.sin(angle) * y) * mirror
            turned_y = scale * (np.sin(angle) * x + np.cos(angle) * y)
            moved[row, column, 0] = look_up(face, turned_x + middle, turned_y + middle)
    return moved


@pytest.mark.parametrize(
    "how",
    [
        (1, 0, 1, 0, 0),
        (-1, 0, 1, 0, 0),
        (1, 0, 1, 2, -1),
        (1, 0.3, 1, 0, 0),
        (1, 0, 1.2, 0, 0),
        (1, 0, 0.8, 0, 0),
        (-1, -0.2, 1.1, 1.5, 0.7),
    ],
    ids=["nothing", "mirror", "shift", "rotate", "zoom out", "zoom in", "all"],
)
def test_moving_against_pixel_by_pixel(faces, how):
    mirror, angle, scale, right, down = how
    each = np.ones(len(faces))
    shift = np.outer([right, down], each)
    rows = affine_matrices(mirror * each, angle * each, scale * each, shift, SIDE)
    expected = np.stack([moved_slowly(face, *how) for face in faces])
    # OpenCV looks up places rounded to 1/32 pixel, in x and in y; neighbors here differ by at most 1.
    np.testing.assert_allclose(warp(faces, rows), expected, atol=2 / 64 + 1e-3)
    if angle == 0 and scale == 1 and right == int(right):
        np.testing.assert_allclose(warp(faces, rows), expected, atol=1e-6)


def test_mirroring_is_exact_and_shifting_moves_right_and_down(faces):
    one, zero = np.ones(5), np.zeros((2, 5))
    np.testing.assert_allclose(
        warp(faces, affine_matrices(-one, 0 * one, one, zero, SIDE)), faces[:, :, ::-1], atol=1e-5
    )
    shifted = warp(faces, affine_matrices(one, 0 * one, one, np.stack([2 * one, one]), SIDE))
    np.testing.assert_allclose(shifted[:, 1:, 2:], faces[:, :-1, :-2], atol=1e-5)


def test_relighting_against_pixel_by_pixel(faces, rng):
    contrast, brightness = rng.uniform(0.5, 1.5, 5), rng.uniform(-0.3, 0.3, 5)
    expected = np.empty_like(faces)
    for number, face in enumerate(faces):
        mean = sum(face.ravel().tolist()) / face.size
        for row in range(SIDE):
            for column in range(SIDE):
                gray = (face[row, column, 0] - mean) * contrast[number] + mean + brightness[number]
                expected[number, row, column, 0] = min(max(gray, 0), 1)
    np.testing.assert_allclose(adjust_lighting(faces, contrast, brightness), expected, atol=1e-5)


def test_erasing_against_pixel_by_pixel(faces):
    top, left = np.array([0, 3, 11, 2, 0]), np.array([0, 4, 11, 0, 0])
    height, width = np.array([3, 2, 1, 0, 12]), np.array([2, 5, 1, 4, 12])
    gray = np.linspace(0, 1, 5, dtype=np.float32)
    expected = faces.copy()
    for number in range(5):
        for row in range(top[number], top[number] + height[number]):
            for column in range(left[number], left[number] + width[number]):
                expected[number, row, column, 0] = gray[number]
    assert np.array_equal(erase_rectangles(faces, top, left, height, width, gray), expected)


def test_mixing_against_face_by_face(faces, labels):
    others = np.array([1, 2, 3, 4, 0])
    mixed_faces, mixed_labels = mix_faces(faces, labels, 0.3, others)
    for number, other in enumerate(others):
        np.testing.assert_allclose(mixed_faces[number], 0.3 * faces[number] + 0.7 * faces[other], atol=1e-6)
        np.testing.assert_allclose(
            mixed_labels[number], 0.3 * labels[number] + 0.7 * labels[other], atol=1e-6
        )
    np.testing.assert_allclose(mixed_labels.sum(axis=1), 1, atol=1e-6)


EVERYTHING = Augmentation(
    flip=True, rotate=15, shift=3, zoom=0.2, contrast=0.3, brightness=0.2, erase=6, mixup=0.4
)


def test_all_of_it_keeps_shape_type_range_and_the_sum_of_labels(faces, labels, rng):
    for _ in range(20):
        changed, told = EVERYTHING(faces, labels, rng)
        assert changed.shape == faces.shape and changed.dtype == np.float32
        assert changed.min() >= -1e-5 and changed.max() <= 1 + 1e-5
        assert told.shape == labels.shape and told.dtype == np.float32
        np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-5)


def test_labels_stay_as_they_are_without_mixup(faces, labels, rng):
    from dataclasses import replace

    _, told = replace(EVERYTHING, mixup=0.0)(faces, labels, rng)
    assert np.array_equal(told, labels)


def test_the_same_generator_gives_the_same_batch_and_another_does_not(faces, labels):
    first, again, other = (EVERYTHING(faces, labels, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_given_faces_are_not_changed(faces, labels, rng):
    before = faces.copy()
    EVERYTHING(faces, labels, rng)
    assert np.array_equal(faces, before)


def test_what_is_drawn_lies_within_what_was_asked(rng):
    how = Augmentation(flip=True, rotate=10, shift=2, zoom=0.1, erase=8)
    rows = how.draw_transforms(2000, 48, rng)
    mirrored = np.sign(rows[:, 0]) < 0
    scale, angle = np.hypot(rows[:, 3], rows[:, 4]), np.rad2deg(np.arctan2(rows[:, 3], rows[:, 4]))
    assert 0.45 < mirrored.mean() < 0.55
    assert abs(angle).max() <= 10.001 and abs(angle).max() > 9.5
    assert 1 / 1.1001 <= scale.min() < 0.92 and 1.1 < scale.max() <= 1 / 0.8999
    top, left, height, width, _ = how.draw_patches(2000, 48, rng)
    assert height.max() == 8 and width.min() == 0
    assert (top >= 0).all() and (top + height <= 48).all() and (left + width <= 48).all()
