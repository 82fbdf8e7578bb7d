"""Test the layout of the chart of probabilities over time."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.web.emotion_chart import HEIGHT, MAX_POINTS, WIDTH, lay_out_chart, lay_out_charts

HAPPY, SAD = EMOTIONS.index("Happy"), EMOTIONS.index("Sad")


def create_probabilities(*happy: float) -> np.ndarray:
    """Probabilities of Happy in each frame; the rest is Sad."""
    probabilities = np.zeros((len(happy), 7))
    probabilities[:, HAPPY] = happy
    probabilities[:, SAD] = 1 - probabilities[:, HAPPY]
    return probabilities


def to_polygon(area: dict) -> np.ndarray:
    return np.array([point.split(",") for point in area["points"].split()], float)


def area_of(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_areas_are_the_probabilities_and_fill_the_chart():
    chart = lay_out_chart(np.array([0.0, 1.0, 2.0]), create_probabilities(1.0, 0.5, 0.0), 2.0)
    happy, sad = chart["areas"]
    assert (happy["emotion"], sad["emotion"]) == ("Happy", "Sad")
    assert area_of(to_polygon(happy)) == pytest.approx(WIDTH * HEIGHT / 2, rel=1e-3)
    assert to_polygon(happy)[:3].tolist() == [[0, 0], [WIDTH / 2, HEIGHT / 2], [WIDTH, HEIGHT]]
    assert to_polygon(sad)[:, 0].max() == WIDTH


def test_areas_are_interrupted_while_the_face_is_away():
    seconds = np.array([0.0, 0.5, 8.0, 8.5])
    areas = lay_out_chart(seconds, create_probabilities(1, 1, 1, 1), 10.0)["areas"]
    assert [to_polygon(area)[:, 0].max() / WIDTH for area in areas] == [0.05, 0.85]


def test_frames_beyond_the_maximum_are_averaged():
    n_frames = 10 * MAX_POINTS
    happy = np.tile([1.0, 0.0], n_frames // 2)
    chart = lay_out_chart(np.arange(n_frames) / 25, create_probabilities(*happy), n_frames / 25)
    polygon = to_polygon(chart["areas"][0])
    assert len(polygon) == 2 * MAX_POINTS
    assert polygon[:MAX_POINTS, 1] == pytest.approx(HEIGHT / 2, abs=6)


def test_each_face_of_several_frames_has_a_chart():
    def create_row(face: int, seconds: float) -> dict:
        return {"face": face, "seconds": seconds} | dict(
            zip(EMOTIONS, create_probabilities(0.9)[0], strict=True)
        )

    rows = [
        create_row(1, 0.0),
        create_row(2, 0.0),
        create_row(1, 0.04),
        {"seconds": 0.08, "note": "no face found"},
    ]
    charts = lay_out_charts(rows, 0.08)
    assert list(charts) == [1] and charts[1]["duration"] == 0.08
