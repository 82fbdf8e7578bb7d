"""Contrast stretching: dark and flat faces come out as the original ones, others stay as they are."""

import numpy as np
import pytest

from pipeline.data.pixels import stretch_contrast

RAMP = np.linspace(0, 255, 48 * 48).reshape(1, 48, 48)


@pytest.mark.parametrize("shape", [(1, 48, 48), (1, 48, 48, 1)])
@pytest.mark.parametrize("degrade", [lambda x: 0.1 * x, lambda x: 100 + 0.2 * x, lambda x: 200 + 0.1 * x])
def test_dark_and_flat_faces_regain_their_contrast(degrade, shape):
    stretched = stretch_contrast(np.rint(degrade(RAMP)).astype(np.uint8).reshape(shape))
    assert stretched.dtype == np.uint8 and stretched.shape == shape
    assert np.abs(stretched.reshape(1, 48, 48) - RAMP).max() < 16


@pytest.mark.parametrize("value", [0, 7, 255])
def test_constant_faces_stay(value):
    face = np.full((2, 48, 48), value, np.uint8)
    assert stretch_contrast(face) is face


def test_only_flat_faces_of_a_batch_change():
    faces = np.concatenate([RAMP, 0.1 * RAMP]).astype(np.uint8)
    stretched = stretch_contrast(faces)
    assert np.array_equal(stretched[0], faces[0]) and stretched[1].max() == 255
    assert faces[1].max() == 25  # the input is unchanged


def test_no_faces_are_no_error():
    assert stretch_contrast(np.zeros((0, 48, 48), np.uint8)).shape == (0, 48, 48)
