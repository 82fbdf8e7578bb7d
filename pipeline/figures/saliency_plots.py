"""Plot saliency maps: over single faces, and their mean for each emotion over the mean face."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.data.pixels import to_uint8
from pipeline.figures.heat_map import COLOR_MAP, MAX_OPACITY, blend_heat_map
from pipeline.figures.plots import FAINT, draw_face
from pipeline.workflow.formatting import format_count

CELL = 1.35  # inches: side of a face
DIFFERENCE_MAP = "PuOr_r"  # diverging, and color-blind people tell its ends apart


@dataclass
class ExplainedFace:
    """A face with the saliency maps of one or more emotions.

    Args:
        pixels: (48, 48) float in [0, 1].
        title: drawn above the face.
        maps: by caption, (48, 48) in [0, 1].
    """

    pixels: np.ndarray
    title: str
    maps: dict[str, np.ndarray]


@dataclass
class MeanFace:
    """The mean of n faces of an emotion and of their saliency maps, (48, 48) each, in [0, 1]."""

    emotion: str
    pixels: np.ndarray
    saliency: np.ndarray
    n_faces: int


def draw_explained_faces(rows: Sequence[tuple[str, Sequence[ExplainedFace]]]) -> Figure:
    """Draw rows of faces, each row with a heading; below each face one image per saliency map."""
    n_columns = max(4, *(len(faces) for _, faces in rows))
    n_images = [1 + max((len(face.maps) for face in faces), default=0) for _, faces in rows]
    heights = [height for n in n_images for height in (0.4, *[1.0] * n)]
    figure = plt.figure(figsize=(CELL * n_columns + 1.0, CELL * sum(heights) + 0.75))
    height = figure.get_figheight()
    bottom, right = 0.4 / height, 1 - 1.0 / figure.get_figwidth()
    grid = figure.add_gridspec(len(heights), n_columns, height_ratios=heights, left=0.02, right=right, top=0.99,
                               bottom=bottom, hspace=0.22, wspace=0.12)  # fmt: skip
    line = 0
    for (heading, faces), n in zip(rows, n_images, strict=True):
        axes = figure.add_subplot(grid[line, :])
        axes.set_axis_off()
        axes.text(0, 0.8, heading, transform=axes.transAxes, weight="bold", fontsize=11, va="center")
        for column, face in enumerate(faces):
            cells = [
                figure.add_subplot(grid[line + 1 + index, column]) for index in range(1 + len(face.maps))
            ]
            draw_face(cells[0], face.pixels, face.title)
            for cell, (caption, saliency) in zip(cells[1:], face.maps.items(), strict=True):
                _draw_heat_map(cell, face.pixels, saliency, caption)
        line += 1 + n
    bar = figure.add_axes(
        (right + 0.25 / figure.get_figwidth(), bottom, 0.12 / figure.get_figwidth(), 2 * CELL / height)
    )
    _add_color_bar(bar, COLOR_MAP, (0, 1), "saliency / maximum of the map")
    return figure


def draw_mean_maps(means: Sequence[MeanFace]) -> Figure:
    """Draw the mean map of each emotion over its mean face, and below it how it differs from the mean of these maps.

    Each map is divided by its maximum.
    """
    figure = plt.figure(figsize=(CELL * len(means) + 1.1, 2 * CELL + 1.25))
    height = figure.get_figheight()
    right = 1 - 1.0 / figure.get_figwidth()
    grid = figure.add_gridspec(2, len(means), left=0.02, right=right, top=1 - 0.4 / height, bottom=0.4 / height,
                               hspace=0.12, wspace=0.1)  # fmt: skip
    maps = [mean.saliency / (mean.saliency.max() or 1.0) for mean in means]
    overall = np.mean(maps, axis=0)
    largest = max(float(np.abs(saliency - overall).max()) for saliency in maps) or 1.0
    for column, (mean, saliency) in enumerate(zip(means, maps, strict=True)):
        title = f"{mean.emotion}\n{format_count(mean.n_faces, 'face')}"
        _draw_heat_map(figure.add_subplot(grid[0, column]), mean.pixels, saliency, title)
        axes = figure.add_subplot(grid[1, column])
        draw_face(axes, mean.pixels)
        difference = (saliency - overall) / largest
        opacity = MAX_OPACITY * np.sqrt(np.abs(difference))
        axes.imshow(difference, cmap=DIFFERENCE_MAP, vmin=-1, vmax=1, alpha=opacity)
    mean_bar, difference_bar = (
        figure.add_axes((right + 0.012, box.y0, 0.012, box.height))
        for box in (grid[line, -1].get_position(figure) for line in range(2))
    )
    _add_color_bar(mean_bar, COLOR_MAP, (0, 1), "saliency / maximum")
    _add_color_bar(difference_bar, DIFFERENCE_MAP, (-largest, largest), "minus mean of all")
    return figure


def _draw_heat_map(axes: Axes, pixels: np.ndarray, saliency: np.ndarray, title: str) -> None:
    axes.imshow(blend_heat_map(to_uint8(pixels.squeeze()), saliency), interpolation="nearest")
    axes.set_title(title, fontsize=8.5, weight="normal", pad=3)
    axes.set_axis_off()


def _add_color_bar(axes: Axes, color_map: str, limits: tuple[float, float], label: str) -> None:
    """Draw the scale of a heat map, opaque."""
    bar = axes.figure.colorbar(ScalarMappable(Normalize(*limits), color_map), cax=axes)
    bar.set_label(label, fontsize=8.5)
    bar.ax.tick_params(labelsize=8, color=FAINT)
    bar.outline.set_visible(False)
