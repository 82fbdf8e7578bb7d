"""Occlusion sensitivity is checked against values computed by hand, with classifiers that are plain functions."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.evaluation.saliency import (
    REGIONS,
    average_by_emotion,
    interpolation_matrix,
    occlusion_sensitivity,
    scale_to_unit,
)


def brightness_of(rows: slice, columns: slice):
    """Return a classifier whose class 0 has the mean gray level of a region as its probability, class 1 the rest."""

    def predict(faces: np.ndarray) -> np.ndarray:
        first = faces[:, rows, columns].mean(axis=(1, 2)) / 255
        return np.stack([first, 1 - first], axis=1)

    return predict


def test_each_value_is_the_fall_of_the_probability_where_the_square_is():
    face = np.zeros((1, 8, 8), np.uint8)
    face[0, :4, :4], face[0, :4, 4:] = 200, 40  # mean of the face: 60
    predict = brightness_of(slice(0, 4), slice(0, 8))
    (saliency,) = occlusion_sensitivity(predict, face, np.array([0]), window=4, stride=4)
    falls = np.array([[(200 - 60) / 2, (40 - 60) / 2], [0, 0]]) / 255  # half of the region is hidden
    np.testing.assert_allclose(saliency[[0, 0, 7], [0, 7, 3]], [*falls[0], 0], atol=1e-6)
    np.testing.assert_allclose(saliency[0, 3], 0.625 * falls[0, 0] + 0.375 * falls[0, 1], atol=1e-6)
    (opposite,) = occlusion_sensitivity(predict, face, np.array([1]), window=4, stride=4)
    np.testing.assert_allclose(opposite, -saliency, atol=1e-6)


def test_of_a_classifier_that_looks_at_one_corner_only_that_corner_is_salient(rng):
    faces = rng.integers(150, 256, (3, 48, 48), np.uint8)
    faces[:, 12:] //= 4
    maps = occlusion_sensitivity(brightness_of(slice(0, 8), slice(40, 48)), faces, np.zeros(3, int))
    for saliency in maps:
        row, column = np.unravel_index(saliency.argmax(), saliency.shape)
        assert row < 8 and column >= 40 and saliency.max() > 0.1
        assert not saliency[24:].any() and not saliency[:, :24].any()


def test_a_constant_face_has_no_salient_pixel():
    face = np.full((1, 48, 48), 90, np.uint8)
    maps = occlusion_sensitivity(brightness_of(slice(0, 8), slice(0, 8)), face, np.array([0]))
    assert not maps.any() and not scale_to_unit(maps).any()


def test_the_classifier_is_called_once_per_face(rng):
    sizes = []

    def predict(faces: np.ndarray) -> np.ndarray:
        sizes.append(len(faces))
        return np.ones((len(faces), 7)) / 7

    maps = occlusion_sensitivity(predict, rng.integers(0, 256, (2, 48, 48), np.uint8), np.array([0, 6]))
    assert sizes == [65, 65] and maps.shape == (2, 48, 48) and maps.dtype == np.float32


def test_values_between_centers_are_interpolated_and_those_outside_repeated():
    values = interpolation_matrix(6, 2, first=1.0, spacing=2.0) @ [10.0, 20.0]
    np.testing.assert_allclose(values, [10, 10, 15, 20, 20, 20])


def test_scaled_maps_are_from_0_to_1():
    maps = np.array([[[-2.0, 1], [4, 0]], [[-1, -1], [0, -3]]])
    np.testing.assert_array_equal(scale_to_unit(maps), [[[0, 0.25], [1, 0]], [[0, 0], [0, 0]]])


def test_mean_maps_give_each_face_the_same_weight():
    maps = np.zeros((3, 48, 48))
    maps[0, 0, 0], maps[1, 47, 47], maps[2, 24:32] = 0.001, 5.0, 2.0
    faces = np.stack([np.full((48, 48), value, np.float32) for value in (0.2, 0.4, 0.9)])
    fear, happy = EMOTIONS.index("Fear"), EMOTIONS.index("Happy")
    means = average_by_emotion(faces, maps, np.array([fear, fear, happy]), EMOTIONS)
    assert list(means) == ["Fear", "Happy"] and [mean.n_faces for mean in means.values()] == [2, 1]
    assert means["Fear"].saliency[0, 0] == means["Fear"].saliency[47, 47] == 0.5
    np.testing.assert_allclose(means["Fear"].face, 0.3, atol=1e-6)
    regions = means["Happy"].region_saliency()
    assert regions["nose"] == pytest.approx(6) and list(regions) == list(REGIONS)
    assert sum(regions.values()) == pytest.approx(6)
