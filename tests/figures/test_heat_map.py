"""A heat map colors the salient pixels of a face and leaves the others as they are."""

import numpy as np

from pipeline.figures.heat_map import blend_heat_map


def test_only_salient_pixels_are_colored():
    face = np.full((48, 48), 100, np.uint8)
    saliency = np.zeros((48, 48))
    saliency[10, 20] = 1
    colored = blend_heat_map(face, saliency)
    assert colored.shape == (48, 48, 3) and colored.dtype == np.uint8
    is_gray = (colored == 100).all(axis=2)
    assert np.argwhere(~is_gray).tolist() == [[10, 20]]
    red, green, blue = colored[10, 20].astype(int)
    assert red > 200 and green > 200 and blue < red


def test_the_map_is_enlarged_to_the_size_of_the_face():
    colored = blend_heat_map(np.zeros((240, 200), np.uint8), np.eye(48))
    assert colored.shape == (240, 200, 3)
    brightness = colored.sum(axis=2)
    assert brightness[2, 2] > 300 and brightness[237, 197] > 300 and not brightness[0, 199]
