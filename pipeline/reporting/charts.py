"""Lay out the charts of the report as data for templates/charts.html, which draws them as SVG.

All coordinates are those of a drawing of WIDTH x HEIGHT, small enough that its text is legible on a phone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 348, 12, 192  # of the axes
MARGIN = 6  # around the points of an embedding
MAX_DOTS = 40  # epochs that are marked with a dot each
MAX_X_TICKS = 6
UNLIMITED = (-np.inf, np.inf)
SHARES = (0.0, 1.0)

Chart = dict[str, Any]


def line_chart(
    title: str,
    series: dict[str, Sequence[float]],
    format_value: Callable[[float], str],
    styles: Sequence[str] = ("train", "validation"),
    mark: tuple[int, str] | None = None,
    limits: tuple[float, float] = UNLIMITED,
) -> Chart:
    """Lay out curves over the epochs, which count from 1.

    Args:
        title: Of the chart, and its vertical axis.
        series: Name -> value of each epoch; the lengths may differ.
        format_value: Formats a value for the tooltip and the axis.
        styles: CSS class of each curve.
        mark: An epoch to mark, and its text in the legend.
        limits: Of the vertical axis; SHARES for accuracies.
    """
    n_epochs = max(len(values) for values in series.values())
    to_y, y_ticks = _linear_axis(np.concatenate([*series.values()]), BOTTOM, TOP, limits)
    x_step = (RIGHT - LEFT) / max(n_epochs - 1, 1)

    def to_x(epoch: float) -> float:
        return (LEFT + RIGHT) / 2 if n_epochs == 1 else LEFT + x_step * (epoch - 1)

    curves = []
    for (name, values), style in zip(series.items(), styles, strict=True):
        finite = [(epoch, value) for epoch, value in enumerate(values, start=1) if np.isfinite(value)]
        points = [(round(to_x(epoch), 1), round(to_y(value), 1)) for epoch, value in finite]
        curves.append({"name": name, "style": style, "points": points, "has_dots": n_epochs <= MAX_DOTS})
    tips = []
    for epoch in range(1, n_epochs + 1):
        texts = [f"{name} {format_value(v[epoch - 1])}" for name, v in series.items() if epoch <= len(v)]
        tips.append(
            {"x": to_x(epoch) - x_step / 2, "width": x_step, "text": f"epoch {epoch}: {', '.join(texts)}"}
        )
    return {
        "title": title,
        "y_ticks": [{"y": to_y(tick), "text": format_value(tick).replace(".0%", "%")} for tick in y_ticks],
        "x_ticks": [{"x": to_x(epoch), "text": str(epoch)} for epoch in _choose_epochs(n_epochs)],
        "x_label": "epoch",
        "curves": curves,
        "tips": tips,
        "mark": {"x": to_x(mark[0]), "text": mark[1]} if mark else None,
    }


def scatter_chart(title: str, x_label: str, points: list[dict[str, Any]]) -> Chart:
    """Lay out points of `x`, on a logarithmic axis, and `y`, a share; both axes are scaled to the data.

    Args:
        points: Each with `x`, `y`, its tooltip `text` and `is_current`.
    """
    xs, ys = (np.array([point[axis] for point in points], float) for axis in ("x", "y"))
    to_y, y_ticks = _linear_axis(ys, BOTTOM, TOP, SHARES)
    low, high = np.log10(xs.min()) - 0.15, np.log10(xs.max()) + 0.15

    def to_x(value: float) -> float:
        return float(LEFT + (RIGHT - LEFT) * (np.log10(value) - low) / (high - low))

    ticks = LogLocator(subs=(1.0, 2.0, 5.0), numticks=99).tick_values(10**low, 10**high)
    ticks = [tick for tick in ticks if 10**low <= tick <= 10**high] or [float(xs[0])]
    ticks = ticks[:: -(-len(ticks) // MAX_X_TICKS)]
    digits = 0 if min(np.diff(y_ticks), default=1) >= 0.01 else 1
    return {
        "title": title,
        "y_ticks": [{"y": to_y(tick), "text": f"{tick:.{digits}%}"} for tick in y_ticks],
        "x_ticks": [{"x": to_x(tick), "text": format_large(tick)} for tick in ticks],
        "x_label": x_label,
        "dots": [point | {"x": to_x(point["x"]), "y": to_y(point["y"])} for point in points],
    }


def fit_positions(positions: np.ndarray) -> np.ndarray:
    """Return positions (N, 2) in the drawing of WIDTH x HEIGHT: centered, and with one scale for both axes."""
    positions = positions * (1, -1)  # y grows downwards in SVG
    size, low = np.ptp(positions, axis=0), positions.min(axis=0)
    space = np.array([WIDTH, HEIGHT]) - 2 * MARGIN
    scale = np.min(space / np.maximum(size, 1e-9))
    return (MARGIN + (space - scale * size) / 2 + scale * (positions - low)).round(1)


def format_large(number: float) -> str:
    """Format a number with a suffix: 168,971 as "169k", 2,707,015 as "2.7M"."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{suffix}"
    return f"{number:.3g}"


def _choose_epochs(n_epochs: int) -> list[int]:
    """Return the epochs to label on an axis, the first one among them."""
    ticks = MaxNLocator(MAX_X_TICKS, integer=True).tick_values(1, n_epochs)
    too_close = {2} if n_epochs > MAX_X_TICKS else set()
    return sorted({1, *(int(tick) for tick in ticks if 1 < tick <= n_epochs)} - too_close)


def _linear_axis(
    values: np.ndarray, start: float, end: float, limits: tuple[float, float]
) -> tuple[Callable[[float], float], list[float]]:
    """Return the position of a value on an axis that covers the values, which are within limits, and its ticks."""
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = max((high - low) * 0.05, 0.005)
    all_ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low - margin, high + margin)
    ticks = [float(tick) for tick in all_ticks if limits[0] - 1e-9 <= tick <= limits[1] + 1e-9]
    bottom, top = ticks[0], ticks[-1]

    def to_position(value: float) -> float:
        return start + (end - start) * (value - bottom) / (top - bottom)

    return to_position, ticks
