"""The colors: text on any of them can be read."""

import colorsys

import numpy as np
import pytest

from pipeline.figures.palette import (
    EMOTION_COLORS,
    darken_for_text,
    get_colors,
    needs_white_text,
    relative_luminance,
    to_rgb,
)

MIN_CONTRAST = 4.5  # WCAG 2.2, level AA


def contrast(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("rgb", "luminance"),
    [((0, 0, 0), 0), ((255, 255, 255), 1), ((255, 0, 0), 0.2126), ((127, 127, 127), 0.2122)],
)
def test_luminance_of_known_colors(rgb, luminance):
    assert relative_luminance(rgb) == pytest.approx(luminance, abs=1e-4)


@pytest.mark.parametrize(("emotion", "color"), EMOTION_COLORS.items())
def test_names_in_emotion_colors_can_be_read_on_white(emotion, color):
    text = darken_for_text(color)
    assert contrast(relative_luminance(to_rgb(text)), 1.0) >= MIN_CONTRAST
    if contrast(relative_luminance(to_rgb(color)), 1.0) >= MIN_CONTRAST:
        assert text == color
    hues = [colorsys.rgb_to_hsv(*to_rgb(name))[0] for name in (color, text)]
    assert hues[0] == pytest.approx(hues[1], abs=0.01), emotion


@pytest.mark.parametrize("color", ["#FFFFFF", "#FFFF00", "#000000"])
def test_any_color_can_be_darkened_for_text(color):
    assert contrast(relative_luminance(to_rgb(darken_for_text(color))), 1.0) >= MIN_CONTRAST


def test_the_chosen_text_color_has_enough_contrast_on_every_color(rng):
    colors = [*map(to_rgb, EMOTION_COLORS.values()), *map(tuple, rng.integers(0, 256, (500, 3)).tolist())]
    blues = np.linspace([255, 255, 255], [8, 48, 107], 50).astype(int).tolist()  # of the confusion matrix
    for rgb in [*colors, *map(tuple, blues)]:
        text = 1.0 if needs_white_text(rgb) else 0.0
        assert contrast(relative_luminance(rgb), text) >= MIN_CONTRAST, rgb


@pytest.mark.parametrize(
    "emotions",
    [
        ("Happy", "Contempt", "Bored"),
        ("Wut", "Ekel", "Angst", "Fröhlich", "Traurig", "Überraschung", "Neutral"),
        tuple("ABCDEFGHIJKLMNOP"),
    ],
)
def test_other_emotions_have_colors_of_their_own_in_any_order(emotions):
    colors = get_colors(emotions)
    assert list(colors) == list(emotions) and len(set(colors.values())) == len(emotions)
    assert get_colors(emotions[::-1]) == colors
    assert all(colors[name] == color for name, color in EMOTION_COLORS.items() if name in emotions)
