"""Step 4: plot the number of faces of each emotion, in all and per split.

Reads:  data/analysis, source
Writes: results/class_distribution.png
Run:    python3 Visualize_the_DataSet_Graph.py
Expect: a strong imbalance: FER2013 has 16 times as many faces of Happy, a quarter of all, as of Disgust. A classifier
        that always predicts Happy has an accuracy of 25%.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from pipeline.data.fer2013 import SPLITS
from pipeline.figures import plots
from pipeline.figures.formats import FigureFormats
from pipeline.figures.palette import get_colors
from pipeline.workflow.artifacts import ArtifactStore

SPLIT_COLORS = {"train": "#1B3A57", "validation": "#5B8DB8", "test": "#B9D3E8"}


@dataclass
class Settings:
    figures: FigureFormats = ("png",)  # formats of the figures: png svg pdf; the report shows png
    show: bool = False  # True: open the figure where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    analysis, source = store.read("analysis"), store.read("source", track=False)
    counts = pd.DataFrame(analysis["counts"]).rename(columns=SPLITS)  # rows are sorted, largest emotion first
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), width_ratios=(1, 1.25))
    plot_counts(left, counts.sum(axis=1))
    plot_shares(right, counts)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    plots.save_figure(figure, "class_distribution", source, settings.figures, settings.show)


def plot_counts(axes: Axes, counts: pd.Series) -> None:
    """Plot the number of faces of each emotion, with its share of all faces."""
    colors = get_colors(tuple(counts.index))
    sns.barplot(
        x=counts.index, y=counts, hue=counts.index, palette=colors, legend=False, saturation=1, ax=axes
    )  # fmt: skip
    for bar, count in zip(axes.patches, counts, strict=True):
        position = (bar.get_x() + bar.get_width() / 2, count)
        label = f"{count:,}\n{count / counts.sum():.1%}"
        axes.annotate(label, position, ha="center", va="bottom", fontsize=8.5)
    axes.set(title=f"All {counts.sum():,} faces", xlabel="", ylabel="faces", ylim=(0, counts.max() * 1.15))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    plots.fit_tick_labels(axes, counts.index)


def plot_shares(axes: Axes, counts: pd.DataFrame) -> None:
    """Plot the share of each emotion within each split; `counts` has a row per emotion and a column per split."""
    shares = (counts / counts.sum()).rename_axis("emotion").reset_index()
    shares = shares.melt("emotion", var_name="split", value_name="share")
    sns.barplot(shares, x="emotion", y="share", hue="split", palette=SPLIT_COLORS, saturation=1, ax=axes)
    for bars, split in zip(axes.containers, counts, strict=True):
        labels = [f"{count:,}" for count in counts[split]]
        axes.bar_label(bars, labels, fontsize=7.5, rotation=90, padding=3)
    axes.set(title="Share within each split, with counts", xlabel="", ylabel="share of the split")
    is_balanced = shares["share"].min() > shares["share"].max() / 2
    axes.set_ylim(0, shares["share"].max() * (1.6 if is_balanced else 1.2))  # the legend is above the bars
    axes.yaxis.set_major_formatter("{x:.0%}")
    plots.fit_tick_labels(axes, counts.index)
    splits = [f"{split}, {counts[split].sum():,} faces" for split in counts]
    axes.legend(axes.containers, splits, frameon=False)


if __name__ == "__main__":
    run_step(main, Settings)
