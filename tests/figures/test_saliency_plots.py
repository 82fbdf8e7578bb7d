"""Check what the figures of saliency maps show, by reading the artists that Matplotlib draws."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pipeline.figures.saliency_plots import ExplainedFace, MeanFace, draw_explained_faces, draw_mean_maps


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def titles(figure: plt.Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_below_each_face_are_its_maps_with_their_captions():
    face, saliency = np.zeros((48, 48)), np.eye(48)
    correct = ExplainedFace(face, "Happy", {"Happy, occlusion": saliency})
    wrong = ExplainedFace(
        face, "Sad,\npredicted Fear", {"Fear, occlusion": saliency, "Sad, occlusion": 0 * saliency}
    )
    figure = draw_explained_faces([("Correct", [correct]), ("Wrong", [wrong]), ("None", [])])
    expected = [*(face.title for face in (correct, wrong)), *correct.maps, *wrong.maps]
    assert sorted(titles(figure)) == sorted(expected)
    drawn = {axes.get_title(): axes.images[0].get_array() for axes in figure.axes if axes.images}
    assert drawn["Fear, occlusion"][0, 0, 0] > 100 and not drawn["Sad, occlusion"].any()


def test_mean_maps_have_one_scale_and_their_difference_from_the_mean():
    first, second = np.zeros((48, 48)), np.full((48, 48), 0.1)
    first[:24], second[:24] = 0.4, 0.05
    gray = np.full((48, 48), 0.5)
    figure = draw_mean_maps([MeanFace("Fear", gray, first, 30), MeanFace("Happy", gray, second, 1)])
    assert titles(figure) == ["Fear\n30 faces", "Happy\n1 face"]
    differences = [axes.images[1].get_array() for axes in figure.axes if len(axes.images) == 2]
    np.testing.assert_allclose([map_[0, 0] for map_ in differences], [0.5, -0.5])
    np.testing.assert_allclose([map_[47, 0] for map_ in differences], [-1, 1])
