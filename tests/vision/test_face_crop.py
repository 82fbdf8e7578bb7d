"""Faces are cropped upright, at FER2013's scale, without aliasing."""

import numpy as np
import pytest
from PIL import Image

from pipeline.vision.face import Face
from pipeline.vision.face_crop import CROP_SCALE, ROLL_CORRECTION_THRESHOLD_DEG, crop_face


def make_face(left: float, top: float, crop_side: float, roll: float = 0) -> Face:
    """Return a face whose crop is the square at this position, rotated by `roll` degrees about its center."""
    box_side = crop_side / CROP_SCALE
    inset = (crop_side - box_side) / 2
    x, y = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    landmarks = ((0, 0), (x, y), (0, 0), (0, 0), (0, 0))
    return Face((left + inset, top + inset, box_side, box_side), 1.0, landmarks)


@pytest.mark.parametrize(("degrees", "quarter_turns"), [(0, 0), (90, 1), (-90, 3), (180, 2)])
def test_a_crop_of_48_pixels_equals_the_pixels_of_the_image(rng, degrees, quarter_turns):
    image = rng.integers(0, 256, (100, 120, 3), np.uint8)
    gray = np.asarray(Image.fromarray(image).convert("L")).astype(int)  # as image_io.read_face converts it
    expected = np.rot90(gray[20:68, 30:78], quarter_turns)
    assert abs(crop_face(image, make_face(30, 20, 48, degrees)) - expected).max() <= 1


def test_only_rolls_from_the_threshold_on_are_corrected(rng):
    image = rng.integers(0, 256, (100, 120, 3), np.uint8)
    upright = crop_face(image, make_face(30, 20, 48))
    below, above = ROLL_CORRECTION_THRESHOLD_DEG - 1, ROLL_CORRECTION_THRESHOLD_DEG + 1
    assert np.array_equal(crop_face(image, make_face(30, 20, 48, below)), upright)
    assert not np.array_equal(crop_face(image, make_face(30, 20, 48, above)), upright)
    assert not np.array_equal(crop_face(image, make_face(30, 20, 48, below), roll_threshold=5), upright)


def test_a_large_face_is_averaged_over_areas(rng):
    image = np.repeat(rng.integers(0, 256, (960, 960, 1), np.uint8), 3, axis=2)
    expected = image[..., 0].reshape(48, 20, 48, 20).mean(axis=(1, 3))
    assert abs(crop_face(image, make_face(0, 0, 960)) - expected).max() <= 1


def test_the_border_is_repeated_beyond_the_edges(rng):
    image = rng.integers(0, 256, (48, 48, 3), np.uint8)
    inside = crop_face(image, make_face(0, 0, 48))
    shifted = crop_face(image, make_face(-20, -10, 48))
    assert np.array_equal(shifted[10:, 20:], inside[:-10, :-20])
    assert (shifted[:10, 20:] == inside[0, :-20]).all()
    assert (shifted[10:, :20] == inside[:-10, :1]).all()


@pytest.mark.parametrize("position", [(-500, 0), (0, 5000)])
def test_a_face_outside_the_image_has_a_crop(rng, position):
    image = rng.integers(0, 256, (48, 48, 3), np.uint8)
    assert crop_face(image, make_face(*position, 48)).shape == (48, 48)
