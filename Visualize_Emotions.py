"""Step 5: plot some faces of each emotion, and the mean face of each.

Reads:  data/dataset, emotions, source, votes
Writes: results/emotions.png, mean_faces.png; with FER+'s votes also label_and_voters.png
Run:    python3 Visualize_Emotions.py
        python3 Visualize_Emotions.py --seed 7          other faces
Expect: faces whose emotion is not always clear: people agree with FER2013's labels on about 65%.
"""

from dataclasses import dataclass
from typing import Annotated

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import numpy as np
from annotated_types import Ge, Le
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.data.fer2013 import Emotions, Table
from pipeline.data.pixels import to_float
from pipeline.data.votes import MAX_VOTES, NO_MAJORITY, emotion_votes, majority
from pipeline.figures import plots
from pipeline.figures.formats import FigureFormats
from pipeline.figures.palette import darken_for_text, get_colors
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import Seed


@dataclass
class Settings:
    faces: Annotated[int, Ge(1), Le(20)] = 10  # of each emotion
    seed: Seed = 0  # of their choice
    figures: FigureFormats = ("png",)  # formats of the figures: png svg pdf; the report shows png
    show: bool = False  # True: open the figures where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    table, source = store.read("dataset"), store.read("source", track=False)
    emotions = store.read("emotions")
    figure = plot_faces(table, emotions, settings.faces, np.random.default_rng(settings.seed))
    plots.save_figure(figure, "emotions", source, settings.figures, settings.show)
    plots.save_figure(plot_mean_faces(table, emotions), "mean_faces", source, settings.figures, settings.show)
    votes = store.read("votes")
    if len(votes):
        rng = np.random.default_rng(settings.seed)
        figure = plot_disagreement(table, emotions, votes, settings.faces, rng)
        plots.save_figure(figure, "label_and_voters", source, settings.figures, settings.show)


def plot_faces(table: Table, emotions: Emotions, n_faces: int, rng: np.random.Generator) -> Figure:
    """Plot a row of random faces for each emotion."""
    colors = get_colors(emotions)
    size = (n_faces + 1.2, 0.6 + len(emotions))
    figure, grid = plt.subplots(len(emotions), n_faces, figsize=size, squeeze=False, layout="constrained")
    for label, (name, row) in enumerate(zip(emotions, grid, strict=True)):
        indices = np.flatnonzero(table["emotion"] == label)
        chosen = rng.choice(indices, min(n_faces, len(indices)), replace=False)
        for axes in row:
            axes.set_axis_off()
        for axes, index in zip(row, chosen, strict=False):
            plots.draw_face(axes, table["pixels"][index])
        label_row(row[0], name, colors[name])
    figure.get_layout_engine().set(rect=(0.02, 0.035, 0.97, 0.96))
    return figure


def plot_disagreement(
    table: Table, emotions: Emotions, votes: np.ndarray, n_faces: int, rng: np.random.Generator
) -> Figure:
    """Plot, for each label, random faces on which the voters' majority is another emotion; its name and votes above."""
    winner, counts = majority(votes, emotions), emotion_votes(votes, emotions).max(axis=1)
    colors = get_colors(emotions)
    size = (n_faces + 1.2, 1.6 + len(emotions))
    figure, grid = plt.subplots(len(emotions), n_faces, figsize=size, squeeze=False, layout="constrained")
    for label, (name, row) in enumerate(zip(emotions, grid, strict=True)):
        indices = np.flatnonzero((table["emotion"] == label) & (winner != label) & (winner != NO_MAJORITY))
        chosen = rng.choice(indices, min(n_faces, len(indices)), replace=False)
        for axes in row:
            axes.set_axis_off()
        for axes, index in zip(row, chosen, strict=False):
            plots.draw_face(
                axes, table["pixels"][index], f"{emotions[winner[index]]} {counts[index]}/{MAX_VOTES}"
            )
        label_row(row[0], name, colors[name])
    figure.suptitle("Faces on which label (left) and voters' majority (above each face) differ", fontsize=11)
    figure.get_layout_engine().set(rect=(0.02, 0.035, 0.97, 0.955))
    return figure


def label_row(axes: Axes, name: str, color: str) -> None:
    """Write an emotion's name, in its color, left of a row of faces."""
    axes.text(
        -0.12, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=12, weight="bold",
        color=darken_for_text(color),
    )  # fmt: skip


def plot_mean_faces(table: Table, emotions: Emotions) -> Figure:
    """Plot the mean of all faces, and beside it the difference of each emotion's mean from it."""
    pixels, labels = table["pixels"], table["emotion"]
    overall = to_float(pixels.mean(axis=0)).squeeze()
    means = [to_float(pixels[labels == label].mean(axis=0)).squeeze() for label in range(len(emotions))]
    limit = max(float(np.abs(mean - overall).max()) for mean in means) or 1.0
    size = (2.6 + 1.3 * (1 + len(emotions)), 2.7)
    figure, grid = plt.subplots(1, len(emotions) + 1, figsize=size, layout="constrained")
    plots.draw_face(grid[0], overall)
    grid[0].set_title("All faces")
    for (name, color), mean, axes in zip(get_colors(emotions).items(), means, grid[1:], strict=True):
        image = axes.imshow(mean - overall, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_axis_off()
        axes.set_title(name, color=darken_for_text(color))
    bar = figure.colorbar(image, ax=grid, shrink=0.8, ticks=(-limit, 0, limit))
    bar.ax.set_yticklabels(["darker", "equal", "brighter"])
    figure.suptitle("The mean of all faces, and how the mean of each emotion differs from it", fontsize=11)
    figure.get_layout_engine().set(rect=(0, 0.08, 1, 0.92))
    return figure


if __name__ == "__main__":
    run_step(main, Settings)
