"""Step 10: plot the learning curves: accuracy and loss over the epochs, train and validation.

Reads:  data/history, source
Writes: results/learning_curves.png, with the epoch of the best validation accuracy marked
Run:    python3 "Visualize_Training_&_Validation.py"
Expect: LeNet-5 overfits: train accuracy rises above 90%, validation accuracy levels off near 50% after epoch 6 and
        validation loss rises.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.figures import plots
from pipeline.figures.formats import FigureFormats
from pipeline.workflow.artifacts import ArtifactStore


@dataclass
class Settings:
    figures: FigureFormats = ("png",)  # formats of the figures: png svg pdf; the report shows png
    show: bool = False  # True: open the figure where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    history, source = store.read("history"), store.read("source", track=False)
    best_epoch = int(np.argmax(history["val_accuracy"])) + 1
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.2))
    plot_curves(left, history, "accuracy", best_epoch, "{:.1%}")
    plot_curves(right, history, "loss", best_epoch, "{:.2f}")
    left.yaxis.set_major_formatter("{x:.0%}")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    plots.save_figure(figure, "learning_curves", source, settings.figures, settings.show, store)


def plot_curves(
    axes: Axes, history: dict[str, list[float]], metric: str, best_epoch: int, number_format: str
) -> None:
    """Plot one metric of train and validation over the epochs, with the best epoch marked."""
    train, validation = history[metric], history[f"val_{metric}"]
    epochs = np.arange(1, len(train) + 1)
    label = f"train, last epoch {number_format.format(train[-1])}"
    axes.plot(epochs, train, "o-", markersize=3, color=plots.TRAIN_COLOR, label=label)
    label = f"validation, last epoch {number_format.format(validation[-1])}"
    axes.plot(epochs, validation, "o-", markersize=3, color=plots.VALIDATION_COLOR, label=label)

    best = validation[best_epoch - 1]
    label = f"epoch {best_epoch} (best validation accuracy): {number_format.format(best)}"
    star = {"markersize": 15, "markeredgecolor": "white", "linestyle": "none"}
    axes.axvline(best_epoch, color=plots.FAINT, linestyle=":", linewidth=1)
    axes.plot(best_epoch, best, "*", color=plots.VALIDATION_COLOR, label=label, **star)

    axes.set(title=metric.capitalize(), xlabel="epoch", ylabel=metric)
    axes.set_xlim(0.5, len(train) + 0.5)
    axes.set_xticks(choose_ticks(len(train)))
    axes.grid(axis="y", color="#EEEEEE")
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def choose_ticks(n_epochs: int) -> list[int]:
    """Return the epochs to label: the first one, and multiples of a round number."""
    multiples = MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]).tick_values(1, n_epochs)
    step = multiples[1] - multiples[0]
    return [1, *(int(epoch) for epoch in multiples if 1 + step / 2 <= epoch <= n_epochs)]


if __name__ == "__main__":
    run_step(main, Settings)
