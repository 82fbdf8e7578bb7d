"""Draw figures in one style and save them with a footer that names their data."""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.figures.formats import FigureFormats
from pipeline.figures.palette import get_colors, needs_white_text, to_rgb
from pipeline.figures.viewer import open_file
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.formatting import printable
from pipeline.workflow.results_index import record_network
from pipeline.workflow.steps import RESULTS

matplotlib.use("Agg")  # figures are files; no window opens while plotting

# A file's name may have characters that the font lacks; they are drawn as boxes.
warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)

TRAIN_COLOR, VALIDATION_COLOR = "#0072B2", "#D55E00"
INK, FAINT, ALERT = "#222222", "#666666", "#B00020"  # text, secondary text, warnings
MAX_GAP_S = 0.5  # a face's curves are interrupted where it was not detected for longer
MAX_TICK_LETTERS = 42  # of the labels below half a page; FER2013's emotions have 39
MIN_LABELED = 0.05  # smallest probability whose bar gets a number
MIN_INSIDE = 0.7  # smallest probability whose number fits inside its bar

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
        "svg.fonttype": "none",  # text stays text, which an editor can change
        "svg.hashsalt": "fer",  # the same figure is the same file
        "pdf.fonttype": 42,  # TrueType, which publishers require
    }
)


@dataclass
class FacePanel:
    """A face in a gallery with its prediction.

    Args:
        pixels: (48, 48) or (48, 48, 1), uint8 or float in [0, 1].
        probabilities: (K,), one for each of `emotions`.
        title: drawn above the face.
        emotions: their names.
    """

    pixels: np.ndarray
    probabilities: np.ndarray
    title: str
    emotions: Emotions = EMOTIONS


def save_figure(
    figure: Figure,
    name: str,
    source: dict[str, Any] | None,
    formats: FigureFormats = ("png",),
    show: bool = False,
    store: ArtifactStore | None = None,
    is_announced: bool = True,
) -> list[Path]:
    """Save a figure atomically as results/<name>.<format>, with a footer that names its data, and close it.

    Args:
        source: step 2's artifact of that name; None: the figure shows no data.
        formats: a file each.
        show: also open the first file, where there is a display.
        store: of a figure that depends on a network: what the figure shows has been read from it.
        is_announced: whether to print the name.

    Returns:
        The paths of the files.
    """
    if source:
        _add_footer(figure, source)
    files = [f"{name}.{figure_format}" for figure_format in formats]
    paths = [RESULTS / file for file in files]
    with record_network(store, *files) if store else nullcontext():
        for path in paths:
            # Without a date, the same figure is the same file.
            metadata = (
                {} if path.suffix == ".png" else {"Date" if path.suffix == ".svg" else "CreationDate": None}
            )
            with atomic_write(path) as unfinished:
                figure.savefig(unfinished, metadata=metadata)
    plt.close(figure)
    if is_announced:
        print(f"  figure: {', '.join(f'results/{printable(file)}' for file in files)}")
    if show:
        open_file(paths[0])
    return paths


def _add_footer(figure: Figure, source: dict[str, Any]) -> None:
    figure.text(
        0.5,
        0.008,
        f"Data: {source['label']}",
        ha="center",
        va="bottom",
        fontsize=8.5,
        color=ALERT if source["is_sample"] else FAINT,
        weight="bold" if source["is_sample"] else "normal",
        parse_math=False,  # a file's name may have dollar signs
    )


def title_of(label: str, predicted: str) -> str:
    """Return the title of a test face: its label and, if they differ, the predicted emotion."""
    return label if label == predicted else f"{label},\npredicted {predicted}"


def draw_face(axes: Axes, pixels: np.ndarray, title: str = "", color: str = INK) -> None:
    """Draw one face, (48, 48) or (48, 48, 1), uint8 or float in [0, 1], without ticks and frame."""
    white = 255 if pixels.dtype == np.uint8 else 1.0
    axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=white, interpolation="nearest")
    axes.set_title(title, fontsize=8.5, color=color, weight="normal", pad=3, parse_math=False)
    axes.set_axis_off()


def fit_tick_labels(axes: Axes, names: Sequence[str]) -> None:
    """Turn the labels of the x-axis where these names would overlap."""
    if sum(map(len, names)) > MAX_TICK_LETTERS:
        plt.setp(axes.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")


def draw_gallery(rows: list[tuple[str, list[FacePanel]]]) -> Figure:
    """Draw rows of faces, each row with a heading and each face with its probabilities below."""
    n_columns = max(4, *(len(panels) for _, panels in rows))
    heights = (0.35, 1.0, 0.75)  # of a heading, a face and its bars, in widths of a face
    figure = plt.figure(figsize=(1.75 * n_columns, 0.5 + 2.75 * len(rows)))
    grid = figure.add_gridspec(
        len(heights) * len(rows), n_columns, height_ratios=heights * len(rows),
        left=0.06, right=0.98, top=0.99, bottom=0.35 / figure.get_figheight(), hspace=0.1, wspace=0.4,
    )  # fmt: skip
    for number, (heading, panels) in enumerate(rows):
        top = len(heights) * number
        axes = figure.add_subplot(grid[top, :])
        axes.set_axis_off()
        axes.text(-0.04, 0.75, heading, transform=axes.transAxes, weight="bold", fontsize=11, va="center")
        for column, panel in enumerate(panels):
            draw_face(figure.add_subplot(grid[top + 1, column]), panel.pixels, panel.title)
            _draw_bars(figure.add_subplot(grid[top + 2, column]), panel)
    return figure


def _draw_bars(axes: Axes, panel: FacePanel) -> None:
    """Draw the probabilities of a face as bars in the colors of their emotions."""
    positions, colors = range(len(panel.emotions)), list(get_colors(panel.emotions).values())
    axes.barh(positions, panel.probabilities, color=colors)
    axes.set(xlim=(0, 1), xticks=(), ylim=(len(panel.emotions) - 0.4, -0.6))
    axes.set_yticks(positions, panel.emotions, fontsize=6.5)
    axes.tick_params(length=0, pad=1)
    for position, probability in enumerate(panel.probabilities):
        text = f"{probability:.0%}"
        if probability > MIN_INSIDE:
            is_white = needs_white_text(to_rgb(colors[position]))
            axes.text(
                probability - 0.02, position, text, fontsize=6, va="center_baseline", ha="right",
                color="white" if is_white else "black",
            )  # fmt: skip
        elif probability >= MIN_LABELED:
            axes.text(probability + 0.02, position, text, fontsize=6, va="center_baseline")
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def plot_emotions_over_time(
    tracks: dict[int, list[tuple[float, np.ndarray]]], emotions: Emotions = EMOTIONS, max_faces: int = 6
) -> Figure:
    """Plot the probabilities of the emotions over time, with axes of its own for each face of a video.

    Args:
        tracks: by track ID, the time of each detection, in seconds, and its probabilities (K,).
        emotions: their names.
        max_faces: number of faces to plot, those with the most detections.
    """
    track_ids = sorted(sorted(tracks, key=lambda track_id: len(tracks[track_id]), reverse=True)[:max_faces])
    figure, grid = plt.subplots(
        len(track_ids), 1, figsize=(9, 1 + 1.9 * len(track_ids)), sharex=True, squeeze=False
    )  # fmt: skip
    figure.set_layout_engine("constrained", rect=(0, 0.06, 1, 0.94))
    for axes, track_id in zip(grid[:, 0], track_ids, strict=True):
        _plot_track(axes, tracks[track_id], emotions)
        axes.set_title(f"Face {track_id}", loc="left")
    last = grid[-1, 0]
    last.set_xlabel("time (s)")
    figure.legend(*last.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    if len(tracks) > max_faces:
        text = f"{len(tracks) - max_faces:,} more faces with fewer detections are not shown"
        last.annotate(text, (1, -0.35), xycoords="axes fraction", ha="right", fontsize=8, color=FAINT)
    return figure


def _plot_track(axes: Axes, track: list[tuple[float, np.ndarray]], emotions: Emotions) -> None:
    """Plot one face's probabilities over time, interrupted where it was not detected."""
    seconds = np.array([second for second, _ in track], float)
    probabilities = np.array([row for _, row in track])
    gaps = np.flatnonzero(np.diff(seconds) > MAX_GAP_S) + 1
    seconds = np.insert(seconds, gaps, np.nan)
    probabilities = np.insert(probabilities, gaps, np.nan, axis=0)
    for (name, color), curve in zip(get_colors(emotions).items(), probabilities.T, strict=True):
        axes.plot(seconds, curve, color=color, label=name, linewidth=1.8)
    axes.set(ylim=(0, 1), yticks=(0, 0.5, 1), yticklabels=("0", "50%", "100%"), ylabel="probability")
