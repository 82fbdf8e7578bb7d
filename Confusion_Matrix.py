"""Step 11: plot which emotions the network confuses.

Reads:  data/predictions, test_x, source
Writes: results/confusion_matrix.png, as counts and as shares of each true emotion (rows true, columns predicted);
        results/confused_pairs.png, the most confused pairs of emotions with their most confident errors
Run:    python3 Confusion_Matrix.py
Expect: on FER2013 Happy and Surprise have the highest recall; Fear, Sad and Neutral are often confused.
"""

from dataclasses import dataclass
from typing import Annotated

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from annotated_types import Ge, Le

from pipeline.data.fer2013 import Emotions
from pipeline.evaluation.metrics import Predictions, confusion_counts, confusion_shares
from pipeline.figures import plots
from pipeline.figures.formats import FigureFormats
from pipeline.figures.palette import needs_white_text
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.formatting import format_count


@dataclass
class Settings:
    pairs: Annotated[int, Ge(1), Le(10)] = 3  # most confused pairs to show
    faces: Annotated[int, Ge(1), Le(12)] = 8  # of each pair
    figures: FigureFormats = ("png",)  # formats of the figures: png svg pdf; the report shows png
    show: bool = False  # True: open the figures where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    predictions = Predictions(**store.read("predictions")["test"])
    faces, source = store.read("test_x"), store.read("source", track=False)
    counts, shares = confusion_counts(predictions), confusion_shares(predictions)
    emotions = predictions.emotions
    figure = plot_matrices(counts, shares, emotions)
    plots.save_figure(figure, "confusion_matrix", source, settings.figures, settings.show, store)

    pairs = find_confused_pairs(counts, settings.pairs)
    for true, predicted in pairs:
        count, share = counts[true, predicted], shares[true, predicted]
        faces_confused = f"{format_count(count, 'face')}, {share:.1%} of {emotions[true]}"
        print(f"  {emotions[true]} predicted as {emotions[predicted]}: {faces_confused}")
    figure = plot_pairs(pairs, shares, faces, predictions, settings.faces)
    plots.save_figure(figure, "confused_pairs", source, settings.figures, settings.show, store)


def plot_matrices(counts: np.ndarray, shares: np.ndarray, emotions: Emotions) -> plt.Figure:
    """Plot the confusion matrix (K, K) as counts and as shares of each true emotion."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13.5, 5.8))
    names = {"xticklabels": emotions, "yticklabels": emotions}
    style = {"annot": True, "cbar": False, "cmap": "Blues", "square": True, "linewidths": 0.5}
    sns.heatmap(counts, fmt="d", ax=left, **names, **style)
    sns.heatmap(shares, fmt=".0%", ax=right, vmin=0, vmax=1, **names, **style)
    left.set_title(f"Counts ({counts.sum():,} test faces, accuracy {counts.trace() / counts.sum():.1%})")
    right.set_title("Share of each true emotion")
    for axes in (left, right):
        axes.set(xlabel="predicted", ylabel="true")
        for text, color in zip(axes.texts, axes.collections[0].get_facecolors(), strict=True):
            red, green, blue = (round(255 * value) for value in color[:3])
            text.set_color("white" if needs_white_text((red, green, blue)) else "black")
        axes.tick_params(length=0, rotation=0)
        plots.fit_tick_labels(axes, emotions)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    return figure


def find_confused_pairs(counts: np.ndarray, n_pairs: int) -> list[tuple[int, int]]:
    """Return the (true, predicted) classes with the most errors, in falling order, without pairs that have none."""
    errors = counts - np.diag(counts.diagonal())
    order = errors.argsort(axis=None, kind="stable")[::-1][:n_pairs]
    pairs = [divmod(int(index), len(counts)) for index in order]
    return [(true, predicted) for true, predicted in pairs if errors[true, predicted]]


def select_confident_errors(predictions: Predictions, true: int, predicted: int, n_faces: int) -> np.ndarray:
    """Return the rows of class `true` predicted as `predicted`, in falling order of confidence."""
    rows = np.flatnonzero((predictions.labels == true) & (predictions.predicted == predicted))
    return rows[predictions.confidence[rows].argsort()[::-1]][:n_faces]


def plot_pairs(
    pairs: list[tuple[int, int]],
    shares: np.ndarray,
    faces: np.ndarray,
    predictions: Predictions,
    n_faces: int,
) -> plt.Figure:
    """Plot a row of faces (of N, 48, 48, 1) per confused pair: its most confident errors, with their confidence."""
    emotions, n_rows = predictions.emotions, max(1, len(pairs))
    figure, grid = plt.subplots(
        n_rows, n_faces, figsize=(n_faces * 1.25 + 2.2, n_rows * 1.6 + 0.8), squeeze=False, layout="constrained"
    )  # fmt: skip
    for axes in grid.flat:
        axes.set_axis_off()
    for (true, predicted), row_axes in zip(pairs, grid, strict=False):
        rows = select_confident_errors(predictions, true, predicted, n_faces)
        for axes, row in zip(row_axes, rows, strict=False):
            plots.draw_face(axes, faces[row], f"{predictions.confidence[row]:.0%}")
        n_errors = ((predictions.labels == true) & (predictions.predicted == predicted)).sum()
        count = f"{format_count(n_errors, 'face')},\n{shares[true, predicted]:.1%} of {emotions[true]}"
        style = {"transform": row_axes[0].transAxes, "ha": "right"}
        row_axes[0].text(-0.15, 0.5, f"{emotions[true]}\npredicted as\n{emotions[predicted]}", fontsize=11,
                         weight="bold", va="bottom", **style)  # fmt: skip
        row_axes[0].text(-0.15, 0.45, count, fontsize=9, color=plots.FAINT, va="top", **style)
    figure.suptitle("Most confused pairs, with the most confident errors of each and their confidence")
    figure.get_layout_engine().set(rect=(0.01, 0.06, 0.98, 0.93))
    return figure


if __name__ == "__main__":
    run_step(main, Settings)
