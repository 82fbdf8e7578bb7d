"""Step 5: look at the faces: some of each emotion, and the mean face of each.

Reads data/dataset. Shows results/emotions.png and results/mean_faces.png.
Run:    python Visualize_Emotions.py
        python Visualize_Emotions.py --seed 7      (other faces)
Expect: faces that are hard to name now and then. People agree with FER2013's labels on about 65 of 100.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import matplotlib.pyplot as plt
import numpy as np

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures import plots
from pipeline.workflow.artifacts import ArtifactStore


@dataclass
class Settings:
    faces: int = 10  # of each emotion, 1 to 20
    seed: int = 0  # of their choice
    show: bool = False  # True: open the pictures where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    if not 1 <= settings.faces <= 20:
        raise ValueError(f"faces is {settings.faces}, but must lie between 1 and 20.")
    table, source = store.read("dataset"), store.read("source")
    pixels, emotion = table["pixels"], table["emotion"]
    rng = np.random.default_rng(settings.seed)

    figure, grid = plt.subplots(
        len(EMOTIONS),
        settings.faces,
        figsize=(settings.faces + 1.2, 7.6),
        squeeze=False,
        layout="constrained",
    )
    for label, (name, row) in enumerate(zip(EMOTIONS, grid, strict=True)):
        those = np.flatnonzero(emotion == label)
        chosen = rng.choice(those, min(settings.faces, len(those)), replace=False)
        for axes in row:
            axes.set_axis_off()
        for axes, index in zip(row, chosen, strict=False):
            plots.draw_face(axes, pixels[index])
        row[0].text(
            -0.12, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=12, weight="bold",
            color=plots.EMOTION_COLORS[name],
        )  # fmt: skip
    figure.get_layout_engine().set(rect=(0.02, 0.035, 0.97, 0.96))
    plots.save_figure(figure, "emotions.png", source, settings.show)

    figure, grid = plt.subplots(1, len(EMOTIONS), figsize=(12, 2.5), layout="constrained")
    for label, (name, axes) in enumerate(zip(EMOTIONS, grid, strict=True)):
        mean = pixels[emotion == label].mean(axis=0) / 255.0
        plots.draw_face(axes, mean)
        axes.set_title(name, color=plots.EMOTION_COLORS[name])
    figure.suptitle("The mean of all faces of each emotion", fontsize=11)
    figure.get_layout_engine().set(rect=(0, 0.08, 1, 0.92))
    plots.save_figure(figure, "mean_faces.png", source, settings.show)


if __name__ == "__main__":
    run_step(main, Settings)
