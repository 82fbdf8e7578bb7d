"""Step 4: how many faces of each emotion there are.

Reads data/analysis. Shows results/class_distribution.png.
Run:    python Visualize_the_DataSet_Graph.py
Expect: Happy far ahead and Disgust far behind: always answering Happy would be right one time in four.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from pipeline.data.fer2013 import SPLITS
from pipeline.figures import plots
from pipeline.workflow.artifacts import ArtifactStore


@dataclass
class Settings:
    show: bool = False  # True: open the picture where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    counts = pd.DataFrame(store.read("analysis")["counts"]).rename(
        columns=SPLITS
    )  # emotions are sorted by count
    source = store.read("source")
    total = counts.sum(axis=1)

    figure, (overall, per_split) = plt.subplots(1, 2, figsize=(12, 4.8), width_ratios=(1, 1.25))
    sns.barplot(
        x=total.index,
        y=total,
        hue=total.index,
        palette=plots.EMOTION_COLORS,
        legend=False,
        saturation=1,
        ax=overall,
    )
    for bar, number in zip(overall.patches, total, strict=True):
        label = f"{number:,}\n{number / total.sum():.1%}"
        overall.annotate(
            label, (bar.get_x() + bar.get_width() / 2, number), ha="center", va="bottom", fontsize=8.5
        )
    overall.set(title=f"All {total.sum():,} faces", xlabel="", ylabel="faces", ylim=(0, total.max() * 1.15))

    shares = (counts / counts.sum()).rename_axis("emotion").reset_index()
    shares = shares.melt("emotion", var_name="split", value_name="share")
    shades = {"train": "#1B3A57", "validation": "#5B8DB8", "test": "#B9D3E8"}
    sns.barplot(shares, x="emotion", y="share", hue="split", palette=shades, saturation=1, ax=per_split)
    for bars, split in zip(per_split.containers, counts, strict=True):
        per_split.bar_label(
            bars, [f"{number:,}" for number in counts[split]], fontsize=7.5, rotation=90, padding=3
        )
    per_split.set(title="Share within each split, with counts", xlabel="", ylabel="share of the split")
    per_split.set_ylim(0, shares.share.max() * 1.2)
    per_split.yaxis.set_major_formatter("{x:.0%}")
    labels = [f"{split}, {counts[split].sum():,} faces" for split in counts]
    per_split.legend(per_split.containers, labels, frameon=False)

    figure.tight_layout(rect=(0, 0.03, 1, 1))
    plots.save_figure(figure, "class_distribution.png", source, settings.show)


if __name__ == "__main__":
    run_step(main, Settings)
