"""Step 11: where the network errs.

Reads data/predictions and test_x. Shows results/confusion_matrix.png, as counts and as shares of each true
emotion (rows true, columns predicted), and results/confused_pairs.png, the most confused pairs with faces.
Run:    python Confusion_Matrix.py
Expect: Happy and Surprise are recognized best; Fear, Sad and Neutral are taken for each other.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from sklearn.metrics import confusion_matrix

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures import plots
from pipeline.workflow.artifacts import ArtifactStore


@dataclass
class Settings:
    pairs: int = 3  # most confused pairs to show, 1 to 10
    faces: int = 8  # of each pair, 1 to 12
    show: bool = False  # True: open the pictures where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    if not (1 <= settings.pairs <= 10 and 1 <= settings.faces <= 12):
        raise ValueError(
            f"pairs must be 1 to 10 and faces 1 to 12, not {settings.pairs} and {settings.faces}."
        )
    predictions, source = store.read("predictions")["test"], store.read("source")
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(labels, predicted, labels=range(len(EMOTIONS)))

    draw_matrices(counts, source, settings.show)
    pairs = most_confused(counts, settings.pairs)
    for true, guess in pairs:
        share = counts[true, guess] / counts[true].sum()
        taken = f"{EMOTIONS[true]} taken for {EMOTIONS[guess]}"
        print(f"  {taken}: {counts[true, guess]} faces, {share:.1%} of {EMOTIONS[true]}")
    faces = store.read("test_x")
    rows = [most_certain(labels, probabilities, true, guess, settings.faces) for true, guess in pairs]
    draw_pairs(faces, probabilities, pairs, rows, source, settings)


def draw_matrices(counts: np.ndarray, source: dict, show: bool) -> None:
    shares = counts / counts.sum(axis=1, keepdims=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(13.5, 5.8))
    common = {
        "cmap": "Blues",
        "xticklabels": EMOTIONS,
        "yticklabels": EMOTIONS,
        "square": True,
        "linewidths": 0.5,
    }
    sns.heatmap(counts, annot=True, fmt="d", ax=left, cbar=False, **common)
    sns.heatmap(shares, annot=True, fmt=".0%", ax=right, cbar=False, vmin=0, vmax=1, **common)
    left.set_title(f"Counts, {counts.sum():,} test faces, {counts.trace() / counts.sum():.1%} right")
    right.set_title("Share of each true emotion")
    for axes in (left, right):
        axes.set(xlabel="predicted", ylabel="true")
        axes.tick_params(length=0, rotation=0)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    plots.save_figure(figure, "confusion_matrix.png", source, show)


def most_confused(counts: np.ndarray, pairs: int) -> list[tuple[int, int]]:
    """The (true, predicted) emotions with the most wrong faces, most first; only pairs that do occur."""
    wrong = counts - np.diag(counts.diagonal())
    order = wrong.argsort(axis=None, kind="stable")[::-1][:pairs]
    confused = [divmod(int(place), len(EMOTIONS)) for place in order]
    return [(true, guess) for true, guess in confused if wrong[true, guess]]


def most_certain(
    labels: np.ndarray, probabilities: np.ndarray, true: int, guess: int, most: int
) -> np.ndarray:
    """The test rows in which `true` was taken for `guess`, those first where the network was surest."""
    rows = np.flatnonzero((labels == true) & (probabilities.argmax(axis=1) == guess))
    return rows[probabilities[rows, guess].argsort()[::-1]][:most]


def draw_pairs(faces, probabilities, pairs, rows, source: dict, settings: Settings) -> None:
    figure, grid = plt.subplots(
        max(1, len(pairs)), settings.faces, figsize=(settings.faces * 1.25 + 2.2, max(1, len(pairs)) * 1.55 + 0.8),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for axes in grid.flat:
        axes.set_axis_off()
    for (true, guess), those, line in zip(pairs, rows, grid, strict=False):
        for axes, row in zip(line, those, strict=False):
            plots.draw_face(axes, faces[row], f"{probabilities[row, guess]:.0%} {EMOTIONS[guess]}")
        line[0].text(
            -0.15, 0.5, f"{EMOTIONS[true]}\ntaken for\n{EMOTIONS[guess]}", transform=line[0].transAxes,
            ha="right", va="center", fontsize=11, weight="bold",
        )  # fmt: skip
    figure.suptitle("The most confused pairs, and the faces of which the network was surest")
    figure.get_layout_engine().set(rect=(0.01, 0.06, 0.98, 0.93))
    plots.save_figure(figure, "confused_pairs.png", source, settings.show)


if __name__ == "__main__":
    run_step(main, Settings)
