"""Step 10: the axis of the epochs and the place of the legend."""

import importlib

import matplotlib.pyplot as plt
import numpy as np
import pytest

step_10 = importlib.import_module("Visualize_Training_&_Validation")


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 7, 12, 30, 100, 1000])
def test_the_axis_starts_at_the_first_epoch(n_epochs):
    ticks = step_10.choose_ticks(n_epochs)
    assert ticks[0] == 1 and ticks == sorted(set(ticks))
    assert ticks[-1] <= n_epochs and len(ticks) <= 11


@pytest.mark.parametrize(
    "values", [np.linspace(0, 1, 30), np.linspace(1, 0, 30), np.full(30, 0.5), np.array([0.5])]
)
def test_the_legend_is_below_the_curves(values):
    figure, axes = plt.subplots()
    history = {"loss": values.tolist(), "val_loss": values[::-1].tolist()}
    step_10.plot_curves(axes, history, "loss", 1, "{:.2f}")
    figure.canvas.draw()
    legend = axes.get_legend().get_window_extent()
    assert legend.y1 < axes.get_window_extent().y0
    plt.close(figure)
