"""Step 10: the learning curves: accuracy and loss over the epochs, train and validation.

Reads data/history. Shows results/learning_curves.png, the epoch that is best on validation marked.
Run:    python "Visualize_Training_&_Validation.py"
Expect: train rising above 90% while validation stands still near 50% from epoch 6 on and its loss climbs.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from pipeline.figures import plots
from pipeline.workflow.artifacts import ArtifactStore


@dataclass
class Settings:
    show: bool = False  # True: open the picture where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    history, source = store.read("history"), store.read("source")
    epochs = np.arange(1, len(history["loss"]) + 1)
    best = int(np.argmax(history["val_accuracy"]))

    figure, panels = plt.subplots(1, 2, figsize=(12, 4.8))
    for axes, quantity, shown in zip(panels, ("accuracy", "loss"), ("{:.1%}", "{:.2f}"), strict=True):
        train, validation = history[quantity], history[f"val_{quantity}"]
        line = {"marker": "o", "markersize": 3}
        label = f"train, last {shown.format(train[-1])}"
        axes.plot(epochs, train, color=plots.TRAIN_COLOR, label=label, **line)
        label = f"validation, last {shown.format(validation[-1])}"
        axes.plot(epochs, validation, color=plots.VALIDATION_COLOR, label=label, **line)

        label = f"epoch {best + 1}, most accurate on validation, {shown.format(validation[best])}"
        star = {"markersize": 15, "markeredgecolor": "white", "linestyle": "none"}
        axes.axvline(best + 1, color=plots.FAINT, linestyle=":", linewidth=1)
        axes.plot(best + 1, validation[best], "*", color=plots.VALIDATION_COLOR, label=label, **star)

        axes.set(title=quantity.capitalize(), xlabel="epoch", ylabel=quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="#EEEEEE")
        axes.legend(frameon=False, fontsize=9)
    panels[0].yaxis.set_major_formatter("{x:.0%}")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    plots.save_figure(figure, "learning_curves.png", source, settings.show)


if __name__ == "__main__":
    run_step(main, Settings)
