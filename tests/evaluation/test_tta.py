"""Check test-time augmentation against views made pixel by pixel."""

import numpy as np
import pytest

from pipeline.evaluation.tta import TTA_VIEWS, average_predictions, make_views


@pytest.fixture
def faces(rng) -> np.ndarray:
    return rng.random((3, 6, 6, 1), np.float32)


def shift(faces: np.ndarray, down: int, right: int) -> np.ndarray:
    rows = np.clip(np.arange(6) + down, 0, 5)
    columns = np.clip(np.arange(6) + right, 0, 5)
    return faces[:, rows][:, :, columns]


@pytest.mark.parametrize("tta", TTA_VIEWS)
def test_number_and_shape_of_views(faces, tta):
    views = list(make_views(faces, tta))
    assert len(views) == tta
    assert {view.shape for view in views} == {faces.shape}


def test_one_view_is_the_faces_and_the_second_their_mirror_image(faces):
    first, second = make_views(faces, 2)
    np.testing.assert_array_equal(first, faces)
    np.testing.assert_array_equal(second, faces[:, :, ::-1])


def test_eighteen_views_are_shifted_by_two_pixels_and_flipped(faces):
    shifted = [shift(faces, down, right) for down in (-2, 0, 2) for right in (-2, 0, 2)]
    expected = [view for one in shifted for view in (one, one[:, :, ::-1])]
    np.testing.assert_array_equal(np.array(list(make_views(faces, 18))), np.array(expected))


def test_predictions_are_averaged_over_the_views(faces):
    def first_column(view: np.ndarray) -> np.ndarray:
        return view[:, 0, :, 0]

    averaged = average_predictions(first_column, faces, 2)
    expected = (faces[:, 0, :, 0] + faces[:, 0, ::-1, 0]) / 2
    assert averaged.dtype == np.float32
    np.testing.assert_allclose(averaged, expected, rtol=1e-6)
    np.testing.assert_array_equal(average_predictions(first_column, faces, 1), first_column(faces))


def test_any_other_number_of_views_is_rejected(faces):
    with pytest.raises(ValueError, match=r"tta is 3\b.*\(1, 2, 18\)"):
        average_predictions(lambda view: view, faces, 3)
