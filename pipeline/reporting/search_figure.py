"""Draw the figure of a hyperparameter search: its trials, the importance of each setting, and where the best lie."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.figures.plots import FAINT, TRAIN_COLOR, VALIDATION_COLOR

N_SLICES = 4  # settings with a panel of their own, the most important ones
LOG_RATIO = 10  # between the largest and the smallest value, from which an axis is logarithmic

Trial = dict[str, Any]  # of search.summarize: "number", "state", "accuracy", "values"


def plot_search(summary: dict[str, Any]) -> Figure:
    """Plot a search that has at least one complete trial.

    Args:
        summary: From pipeline.training.search.summarize.
    """
    complete = [trial for trial in summary["trials"] if trial["state"] == "complete"]
    best = next(trial for trial in complete if trial["number"] == summary["best"])
    names = list(summary["importance"] or best["values"])
    slices = names[:N_SLICES]
    figure = plt.figure(figsize=(12, 8))
    grid = figure.add_gridspec(
        2, 2 * N_SLICES, hspace=0.5, wspace=1.3, left=0.07, right=0.98, top=0.94, bottom=0.13
    )
    n_wide = 5 if summary["importance"] else 2 * N_SLICES
    _plot_trials(figure.add_subplot(grid[0, :n_wide]), summary["trials"], complete, best)
    if summary["importance"]:
        _plot_importance(figure.add_subplot(grid[0, n_wide + 1 :]), summary["importance"])
    first = None
    for position, name in enumerate(slices):
        axes = figure.add_subplot(grid[1, 2 * position : 2 * position + 2], sharey=first)
        _plot_slice(axes, name, complete, best)
        first = first or axes
    if first:
        first.set_ylabel("validation accuracy")
    return figure


def _plot_trials(axes: Axes, trials: list[Trial], complete: list[Trial], best: Trial) -> None:
    """Plot the accuracy of each complete trial and the best one so far, and mark the others at the bottom."""
    numbers, accuracies = _to_arrays(complete)
    axes.plot(numbers, accuracies, "o", color=TRAIN_COLOR, label=f"complete ({len(complete)})")
    axes.step(
        numbers,
        np.maximum.accumulate(accuracies),
        where="post",
        color=FAINT,
        linewidth=1,
        label="best so far",
    )
    _mark_best(axes, best["number"], best["accuracy"], f"trial {best['number']}: {best['accuracy']:.1%}")
    for state, marker in (("pruned", "|"), ("fail", "x")):
        others = [trial["number"] for trial in trials if trial["state"] == state]
        if others:
            label = f"{state.replace('fail', 'failed')} ({len(others)})"
            bottom = np.zeros(len(others)) + 0.02
            axes.plot(others, bottom, marker, color=FAINT, label=label, transform=axes.get_xaxis_transform())
    axes.set(title="Trials", xlabel="trial", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter("{x:.1%}")
    axes.margins(y=0.12)
    axes.grid(axis="y", color="#EEEEEE")
    axes.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=5)


def _plot_importance(axes: Axes, importance: dict[str, float]) -> None:
    names = list(importance)[::-1]
    values = [importance[name] for name in names]
    axes.barh(names, values, color=TRAIN_COLOR, height=0.65)
    for position, value in enumerate(values):
        axes.text(value + 0.01, position, f"{value:.0%}", va="center", fontsize=8.5)
    axes.set(title="Importance of each setting", xlim=(0, max(values) * 1.15), xticks=())
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)


def _plot_slice(axes: Axes, name: str, complete: list[Trial], best: Trial) -> None:
    """Plot accuracy against the values of one setting, with even spaces between those that are not numbers."""
    _, accuracies = _to_arrays(complete)
    values = [trial["values"][name] for trial in complete]
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not is_number:
        values = [str(value) for value in values]
    axes.plot(values, accuracies, "o", color=TRAIN_COLOR, alpha=0.8)
    best_value = best["values"][name]
    _mark_best(axes, best_value if is_number else str(best_value), best["accuracy"])
    if is_number and min(values) > 0 and max(values) > LOG_RATIO * min(values):
        axes.set_xscale("log")
    axes.set_xlabel(name)
    axes.margins(x=0.12)
    axes.yaxis.set_major_formatter("{x:.1%}")
    axes.grid(axis="y", color="#EEEEEE")


def _mark_best(axes: Axes, x: Any, y: float, label: str = "") -> None:
    star: dict[str, Any] = {"markersize": 15, "markeredgecolor": "white", "linestyle": "none"}
    axes.plot([x], [y], "*", color=VALIDATION_COLOR, label=label or None, **star)


def _to_arrays(trials: list[Trial]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers and the accuracies of complete trials."""
    return np.array([trial["number"] for trial in trials]), np.array([t["accuracy"] for t in trials])
