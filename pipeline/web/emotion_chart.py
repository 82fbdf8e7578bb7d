"""Lay out a face's probabilities over time as stacked areas, which templates/macros.html draws as SVG.

static/emotion_chart.js draws the same for the camera.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.figures.palette import get_colors
from pipeline.vision.results_table import Row

WIDTH, HEIGHT = 320, 96  # of the areas, in units of the drawing
MAX_POINTS = 160  # in time; more frames are averaged
MAX_GAP_S = 1.0  # without the face, after which its areas are interrupted
MIN_PROBABILITY = 0.005  # an emotion that never reaches it is not drawn

Chart = dict[str, Any]


def lay_out_charts(rows: Iterable[Row], duration: float, emotions: Emotions = EMOTIONS) -> dict[int, Chart]:
    """Lay out a chart for each face of a video.

    Args:
        rows: of the video's results; those without a face are skipped.
        duration: of the video in seconds, the end of all time axes.

    Returns:
        track_id -> chart; a face of a single frame has none.
    """
    frames: dict[int, list[Row]] = {}
    for row in rows:
        if "face" in row:
            frames.setdefault(row["face"], []).append(row)
    return {
        track_id: lay_out_chart(
            np.array([row["seconds"] for row in face_rows], float),
            np.array([[row[emotion] for emotion in emotions] for row in face_rows], float),
            duration,
            emotions,
        )
        for track_id, face_rows in frames.items()
        if len(face_rows) > 1
    }


def lay_out_chart(
    seconds: np.ndarray, probabilities: np.ndarray, duration: float, emotions: Emotions = EMOTIONS
) -> Chart:
    """Lay out one face.

    Args:
        seconds: (N,) times of the frames, increasing, at most `duration`.
        probabilities: (N, K), in the order of `emotions`.

    Returns:
        `areas`, each with the emotion, its color and the `points` of a polygon, and the `duration`.
    """
    duration = max(duration, float(seconds[-1]), 1e-3)
    step = duration / MAX_POINTS
    seconds, probabilities = _average(seconds, probabilities, step)
    areas = []
    gaps = np.flatnonzero(np.diff(seconds) > max(MAX_GAP_S, 2 * step)) + 1
    for times, values in zip(np.split(seconds, gaps), np.split(probabilities, gaps), strict=True):
        xs = WIDTH * (np.array([times[0], times[0] + step]) if len(times) == 1 else times) / duration
        shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1e-9)
        edges = np.pad(np.cumsum(shares, axis=1), ((0, 0), (1, 0)))
        ys = HEIGHT * (1 - np.repeat(edges, 2, axis=0) if len(times) == 1 else 1 - edges)
        for index, (emotion, color) in enumerate(get_colors(emotions).items()):
            if shares[:, index].max() >= MIN_PROBABILITY:
                outline = [
                    *zip(xs, ys[:, index + 1], strict=True),
                    *zip(xs[::-1], ys[::-1, index], strict=True),
                ]
                points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
                areas.append({"emotion": emotion, "color": color, "points": points})
    return {"areas": areas, "duration": duration, "width": WIDTH, "height": HEIGHT}


def _average(seconds: np.ndarray, probabilities: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean time and the mean probabilities of the frames in each interval of `step` seconds."""
    intervals = np.minimum(np.floor(seconds / step), MAX_POINTS - 1)
    _, bins, counts = np.unique(intervals, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), 1 + probabilities.shape[1]))
    np.add.at(means, bins, np.column_stack([seconds, probabilities]))
    means /= counts[:, np.newaxis]
    return means[:, 0], means[:, 1:]
