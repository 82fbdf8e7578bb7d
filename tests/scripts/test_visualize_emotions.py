"""Step 5: the mean faces."""

import importlib

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS

step_5 = importlib.import_module("Visualize_Emotions")


def test_mean_faces_are_differences_from_the_overall_mean(small_table):
    figure = step_5.plot_mean_faces(small_table, EMOTIONS)
    overall, *emotions = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in emotions] == list(EMOTIONS)
    mean = small_table["pixels"].mean(axis=0) / 255
    np.testing.assert_allclose(overall.images[0].get_array(), mean, atol=1e-5)
    happy = small_table["pixels"][small_table["emotion"] == EMOTIONS.index("Happy")].mean(axis=0) / 255
    np.testing.assert_allclose(emotions[3].images[0].get_array(), happy - mean, atol=1e-5)
    limits = {axes.images[0].get_clim() for axes in emotions}
    ((low, high),) = limits
    assert low == -high, "white is no difference"
    plt.close(figure)


def test_equal_faces_have_no_difference():
    table = {"pixels": np.full((7, 48, 48), 90, np.uint8), "emotion": np.arange(7, dtype=np.uint8)}
    figure = step_5.plot_mean_faces(table, EMOTIONS)
    assert all(np.allclose(axes.images[0].get_array(), 0, atol=1e-6) for axes in figure.axes[1:8])
    plt.close(figure)


@pytest.mark.slow
def test_figures_are_written_in_the_formats_that_are_asked_for(prepared, tmp_path):
    project = prepared.copy(tmp_path / "figures")
    printed = project.run("Visualize_Emotions.py", "--figures", "svg", "pdf")
    assert "results/emotions.svg, results/emotions.pdf" in printed
    assert {path.suffix for path in project.results.glob("emotions.*")} == {".svg", ".pdf"}
    assert "tiff" in project.run("Visualize_Emotions.py", "--figures", "tiff", status=1)
