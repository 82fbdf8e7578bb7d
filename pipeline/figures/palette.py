"""Define the colors of the emotions, the same in figures, annotated images, the window and the page."""

from functools import lru_cache

from pipeline.data.fer2013 import Emotions

# The color-blind safe palette of M. Okabe and K. Ito (https://jfly.uni-koeln.de/color/), with gray for Neutral.
EMOTION_COLORS = {
    "Angry": "#D55E00",
    "Disgust": "#009E73",
    "Fear": "#CC79A7",
    "Happy": "#E69F00",
    "Sad": "#0072B2",
    "Surprise": "#56B4E9",
    "Neutral": "#7F7F7F",
    "Contempt": "#F0E442",
}
# For other emotions, after the colors above that a data set leaves free: from P. Tol's palette "muted"
# (https://sronpersonalpages.nl/~pault/).
OTHER_COLORS = ("#332288", "#882255", "#999933", "#44AA99", "#AA4499", "#117733", "#DDCC77", "#88CCEE")
MIN_TEXT_CONTRAST = 4.5  # WCAG 2.2, level AA


@lru_cache
def get_colors(emotions: Emotions) -> dict[str, str]:
    """Return the color "#RRGGBB" of each emotion of a data set or a network; it does not depend on their order."""
    known = {name: EMOTION_COLORS[name] for name in emotions if name in EMOTION_COLORS}
    free = [color for color in (*EMOTION_COLORS.values(), *OTHER_COLORS) if color not in known.values()]
    others = dict(zip(sorted(set(emotions) - known.keys()), free, strict=False))
    return {name: (known | others)[name] for name in emotions}


def relative_luminance(rgb: tuple[int, int, int]) -> float:
    """Return the relative luminance of a color, 0 for black to 1 for white, as WCAG 2.2 defines it."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (v / 255 for v in rgb)
    ]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def needs_white_text(rgb: tuple[int, int, int]) -> bool:
    """Return whether white text has more contrast on a color than black; the better one has at least 4.58 to 1."""
    luminance = relative_luminance(rgb)
    return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05


def darken_for_text(color: str) -> str:
    """Return a color, "#RRGGBB", darkened as far as text in it on white needs to have a contrast of 4.5 to 1."""
    rgb = to_rgb(color)
    for percent in range(100, 0, -1):
        red, green, blue = (value * percent // 100 for value in rgb)
        if 1.05 / (relative_luminance((red, green, blue)) + 0.05) >= MIN_TEXT_CONTRAST:
            break
    return f"#{red:02X}{green:02X}{blue:02X}"


def to_rgb(color: str) -> tuple[int, int, int]:
    """Convert "#RRGGBB" to red, green and blue, each 0 to 255."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
