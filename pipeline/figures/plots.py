"""One look for all figures: colors, type, and a footer that says which data they show."""

import os
import sys
import warnings
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures.palette import EMOTION_COLORS
from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.formatting import printable
from pipeline.workflow.steps import RESULTS

matplotlib.use("Agg")  # figures are files; a window opens only through `save(..., show=True)`

# A file's name may have letters that the font lacks; it shows boxes instead.
warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)

TRAIN_COLOR, VALIDATION_COLOR = "#0072B2", "#D55E00"
INK, FAINT = "#222222", "#666666"

plt.rcParams.update(
    {
        "figure.facecolor": "white",
        "savefig.dpi": 130,
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "text.color": INK,
        "axes.labelcolor": INK,
    }
)


@dataclass
class FacePanel:
    """What a network says of one face: pixels (48, 48) or (48, 48, 1), probabilities (7,), label if known."""

    pixels: np.ndarray
    probabilities: np.ndarray
    title: str
    label: int | None = None


def save_figure(figure: Figure, name: str, source: dict[str, Any], show: bool = False) -> Path:
    """Save a figure as results/<name>, whole or not at all, with the data's name in its footer; says where.

    `source` is step 2's artifact of that name. With `show`, and where there is a display, the picture opens.
    """
    sample = source["is_sample"]
    figure.text(
        0.5,
        0.008,
        f"Data: {source['label']}",
        ha="center",
        va="bottom",
        fontsize=8.5,
        color="#B00020" if sample else FAINT,
        weight="bold" if sample else "normal",
        parse_math=False,  # a file's name may hold dollar signs
    )
    path = RESULTS / name
    with atomic_write(path) as unfinished:
        figure.savefig(unfinished)
    plt.close(figure)
    print(f"  picture: results/{printable(name)}")
    if show:
        _open_file(path)
    return path


def draw_face(axes: Axes, pixels: np.ndarray, title: str = "", color: str = INK) -> None:
    """Draw one face, (48, 48) or (48, 48, 1), uint8 or float in [0, 1], without ticks and frame."""
    whitest = 255 if pixels.dtype == np.uint8 else 1.0
    axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=whitest, interpolation="nearest")
    axes.set_title(title, fontsize=8.5, color=color, weight="normal", pad=3, parse_math=False)
    axes.set_axis_off()


def draw_gallery(lines: list[tuple[str, list[FacePanel]]]) -> Figure:
    """Faces with the seven probabilities below each: a heading and some answers per line."""
    columns = max(4, *(len(answers) for _, answers in lines))
    heights = (0.35, 1.0, 0.75)  # of a heading, a face and its bars, in widths of a face
    figure = plt.figure(figsize=(1.75 * columns, 0.5 + 2.75 * len(lines)))
    grid = figure.add_gridspec(
        len(heights) * len(lines), columns, height_ratios=heights * len(lines),
        left=0.06, right=0.99, top=0.99, bottom=0.35 / figure.get_figheight(), hspace=0.1, wspace=0.4,
    )  # fmt: skip
    for number, (heading, answers) in enumerate(lines):
        top = len(heights) * number
        title = figure.add_subplot(grid[top, :])
        title.set_axis_off()
        title.text(-0.04, 0.75, heading, transform=title.transAxes, weight="bold", fontsize=11, va="center")
        for column, answer in enumerate(answers):
            draw_face(figure.add_subplot(grid[top + 1, column]), answer.pixels, answer.title)
            _draw_bars(figure.add_subplot(grid[top + 2, column]), answer.probabilities, answer.label)
    return figure


def plot_emotions_over_time(tracks: dict[int, list[tuple[float, np.ndarray]]], most: int = 6) -> Figure:
    """The emotions of each face of a video over time, those seen longest: a line of axes each.

    tracks: by the face's number, when it was seen, in seconds, and the probabilities (7,) at that time.
    """
    longest = sorted(tracks, key=lambda number: len(tracks[number]), reverse=True)[:most]
    figure, lines = plt.subplots(
        len(longest), 1, figsize=(9, 1 + 1.9 * len(longest)), sharex=True, squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))
    for axes, number in zip(lines[:, 0], sorted(longest), strict=True):
        seconds, probabilities = zip(*tracks[number], strict=True)
        # A gap in the lines where the face was not seen for a while.
        gaps = np.flatnonzero(np.diff(seconds) > 0.5) + 1
        seconds = np.insert(np.array(seconds, float), gaps, np.nan)
        probabilities = np.insert(np.array(probabilities), gaps, np.nan, axis=0)
        for name, shares in zip(EMOTIONS, probabilities.T, strict=True):
            axes.plot(seconds, shares, color=EMOTION_COLORS[name], label=name, linewidth=1.8)
        axes.set(ylim=(0, 1), yticks=(0, 0.5, 1), yticklabels=("0", "50%", "100%"), ylabel="probability")
        axes.set_title(f"Face {number}", loc="left")
    lines[-1, 0].set_xlabel("seconds")
    figure.legend(*lines[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    if len(tracks) > most:
        lines[-1, 0].annotate(
            f"and {len(tracks) - most:,} faces seen for less long", (1, -0.35), xycoords="axes fraction", ha="right",
            fontsize=8, color=FAINT,
        )  # fmt: skip
    return figure


def _draw_bars(axes: Axes, probabilities: np.ndarray, label: int | None) -> None:
    """The seven probabilities of one face as small bars in their emotions' colors, the label's name bold."""
    places = range(len(EMOTIONS))
    axes.barh(places, probabilities, color=[EMOTION_COLORS[name] for name in EMOTIONS])
    axes.set(xlim=(0, 1), xticks=(), ylim=(len(EMOTIONS) - 0.4, -0.6))
    axes.set_yticks(places, EMOTIONS, fontsize=6.5)
    axes.tick_params(length=0, pad=1)
    for place, name in enumerate(axes.get_yticklabels()):
        name.set_fontweight("bold" if place == label else "normal")
    for place, probability in enumerate(probabilities):
        if probability >= 0.05:
            inside = probability > 0.7  # a long bar has room for its number
            where = (
                {"x": probability - 0.02, "ha": "right", "color": "white"}
                if inside
                else {"x": probability + 0.02}
            )
            axes.text(y=place, s=f"{probability:.0%}", fontsize=6, va="center_baseline", **where)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _open_file(path: Path) -> None:
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        print("  there is no display, so the picture is not opened")
    else:
        webbrowser.open(path.as_uri())
