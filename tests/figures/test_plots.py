"""Check what the figures show, by reading the artists that Matplotlib draws."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures import palette, plots

SAMPLE = {"is_sample": True, "label": "a sample, with $dollar$ signs"}


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "RESULTS", tmp_path)
    yield tmp_path
    plt.close("all")


def test_a_saved_figure_names_its_data_and_is_closed(results):
    figure = plt.figure()
    (path,) = plots.save_figure(figure, "figure", SAMPLE)
    assert path == results / "figure.png" and path.read_bytes().startswith(b"\x89PNG")
    (footer,) = figure.texts
    assert SAMPLE["label"] in footer.get_text() and footer.get_color() == plots.ALERT
    assert not plt.fignum_exists(figure.number)


def test_the_footer_of_real_data_is_no_alert():
    figure = plt.figure()
    plots.save_figure(figure, "figure", {"is_sample": False, "label": "FER2013"})
    assert figure.texts[0].get_color() == plots.FAINT


def test_a_figure_without_data_has_no_footer():
    figure = plt.figure()
    plots.save_figure(figure, "figure", None)
    assert not figure.texts


def test_a_figure_is_saved_in_each_format_and_the_same_each_time(results):
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    contents = []
    for _ in range(2):
        figure = plt.figure()
        figure.text(0.5, 0.5, "words")
        paths = plots.save_figure(figure, "figure", SAMPLE, tuple(starts))
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert all(content.startswith(start) for content, start in zip(contents[0], starts.values(), strict=True))
    assert b">words<" in contents[0][1], "text of an SVG stays text"


@pytest.mark.parametrize(("emotion", "text"), [("Happy", "black"), ("Sad", "white"), ("Angry", "black")])
def test_the_number_in_a_bar_contrasts_with_it(emotion, text):
    probabilities = np.eye(7)[EMOTIONS.index(emotion)]
    figure = plots.draw_gallery([("", [plots.FacePanel(np.zeros((48, 48), np.uint8), probabilities, "")])])
    (number,) = (t for axes in figure.axes for t in axes.texts if t.get_text() == "100%")
    assert number.get_color() == text


def test_a_figure_that_cannot_be_saved_leaves_the_existing_file(results, monkeypatch):
    (results / "figure.png").write_bytes(b"old")
    figure = plt.figure()

    def fail(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.save_figure(figure, "figure", SAMPLE)
    assert [path.name for path in results.iterdir()] == ["figure.png"]
    assert (results / "figure.png").read_bytes() == b"old"


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.float32, 1.0)])
def test_a_face_is_drawn_from_black_to_white(dtype, white):
    axes = plt.figure().add_subplot()
    plots.draw_face(axes, np.full((48, 48, 1), white / 2).astype(dtype), "title")
    assert axes.images[0].get_clim() == (0, white)
    assert axes.get_title() == "title"


def test_a_gallery_has_bars_for_each_face_and_its_title_once():
    probabilities = np.array([0.75, 0.2, 0.05, 0, 0, 0, 0])
    panel = plots.FacePanel(np.zeros((48, 48), np.uint8), probabilities, "a face")
    figure = plots.draw_gallery([("heading", [panel, panel]), ("another", [panel])])
    bars = [axes for axes in figure.axes if len(axes.patches) == len(EMOTIONS)]
    assert len(bars) == 3
    assert [bar.get_width() for bar in bars[0].patches] == pytest.approx(probabilities)
    assert [text.get_text() for text in bars[0].texts] == ["75%", "20%", "5%"]
    names = [text.get_text() for axes in figure.axes[1:3] for text in (axes.title, *axes.texts)]
    assert names.count("a face") == 1


def test_curves_over_time_are_interrupted_at_gaps_and_end_at_the_maximum_of_faces():
    probabilities = np.full(7, 1 / 7)
    tracks = {
        1: [(0.0, probabilities)],
        4: [(0.0, probabilities), (0.2, probabilities), (2.0, probabilities)],
    }
    figure = plots.plot_emotions_over_time(tracks, max_faces=1)
    (axes,) = figure.axes
    assert axes.get_title("left") == "Face 4"
    assert len(axes.lines) == len(EMOTIONS)
    assert [line.get_color() for line in axes.lines] == list(palette.get_colors(EMOTIONS).values())
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [0.0, 0.2, np.nan, 2.0])
    assert any(text.get_text().startswith("1 more") for text in axes.texts)


def test_every_emotion_has_its_own_color():
    assert list(palette.EMOTION_COLORS) == [*EMOTIONS, "Contempt"]
    assert len({*palette.EMOTION_COLORS.values(), *palette.OTHER_COLORS}) == len(palette.EMOTION_COLORS) + 8


def test_colors_convert_to_rgb():
    assert palette.to_rgb("#D55E00") == (213, 94, 0)
