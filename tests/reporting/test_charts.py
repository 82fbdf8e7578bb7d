"""The layout of the report's charts."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.reporting import charts


def x_texts(chart: charts.Chart) -> list[str]:
    return [tick["text"] for tick in chart["x_ticks"]]


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 30, 100, 1000])
def test_epochs_count_from_one_and_their_labels_do_not_touch(n_epochs):
    chart = charts.line_chart("Loss", {"train": [1.0] * n_epochs}, "{:.2f}".format, ["train"])
    assert x_texts(chart)[0] == "1" and len(chart["tips"]) == n_epochs
    positions = [tick["x"] for tick in chart["x_ticks"]]
    assert all(b - a >= 20 for a, b in pairwise(positions))
    assert all(charts.LEFT <= x <= charts.RIGHT for x in positions)


@pytest.mark.parametrize(
    "values", [[0.5], [0.0, 0.0], [0.3, 0.9], [-5.0, 1e6], [float("nan"), 0.4], [float("nan")]]
)
def test_points_are_within_the_axes(values):
    chart = charts.line_chart("Loss", {"train": values}, "{:.2f}".format, ["train"])
    ys = [y for _, y in chart["curves"][0]["points"]]
    assert len(ys) == np.isfinite(values).sum()
    assert all(charts.TOP <= y <= charts.BOTTOM for y in ys)


@pytest.mark.parametrize("values", [[0.0, 0.3], [0.4, 0.999], [1.0], [0.0, 1.0], [0.2, 0.97]])
def test_an_axis_of_shares_ends_at_0_and_100_percent(values):
    chart = charts.line_chart("Accuracy", {"train": values}, "{:.1%}".format, ["train"], limits=charts.SHARES)
    ticks = [float(tick["text"].rstrip("%")) for tick in chart["y_ticks"]]
    assert len(ticks) > 1 and min(ticks) >= 0 and max(ticks) <= 100
    assert all(charts.TOP <= y <= charts.BOTTOM for _, y in chart["curves"][0]["points"])


def test_a_higher_value_is_drawn_higher_and_curves_of_other_lengths_fit():
    chart = charts.line_chart("Loss", {"a": [1, 2, 3], "b": [1]}, "{:.0f}".format, ["train", "validation"])
    first, second, third = chart["curves"][0]["points"]
    assert first[1] > second[1] > third[1] and first[0] < second[0] < third[0]
    assert [tip["text"] for tip in chart["tips"]] == ["epoch 1: a 1, b 1", "epoch 2: a 2", "epoch 3: a 3"]


def test_the_axes_of_the_scatter_chart_are_scaled_to_the_data():
    points = [{"x": 10**n, "y": 0.48 + 0.01 * n, "text": "", "is_current": False} for n in (4, 5, 6)]
    chart = charts.scatter_chart("Test accuracy", "parameters", points)
    xs, ys = ([dot[axis] for dot in chart["dots"]] for axis in ("x", "y"))
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1]) and ys[0] > ys[1] > ys[2]
    assert ys[0] - ys[2] > (charts.BOTTOM - charts.TOP) / 3, "two points of accuracy fill the axis"


@pytest.mark.parametrize("parameters", [[168_971], [168_971, 241_191], [100, 10**9], [5, 5]])
def test_the_scatter_chart_has_a_few_different_labels(parameters):
    points = [{"x": x, "y": 0.5, "text": "", "is_current": False} for x in parameters]
    texts = x_texts(charts.scatter_chart("Test accuracy", "parameters", points))
    assert 1 <= len(texts) <= charts.MAX_X_TICKS and len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("number", "text"), [(7, "7"), (999, "999"), (168_971, "169k"), (2_707_015, "2.71M"), (3e9, "3G")]
)
def test_large_numbers(number, text):
    assert charts.format_large(number) == text
