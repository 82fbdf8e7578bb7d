"""The colors of the emotions: the same one everywhere, in figures, on pictures and in the window."""

# M. Okabe and K. Ito's palette, which color-blind readers can tell apart (https://jfly.uni-koeln.de/color/),
# with gray for Neutral.
EMOTION_COLORS = {
    "Angry": "#D55E00",
    "Disgust": "#009E73",
    "Fear": "#CC79A7",
    "Happy": "#E69F00",
    "Sad": "#0072B2",
    "Surprise": "#56B4E9",
    "Neutral": "#7F7F7F",
}


def to_rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of "#RRGGBB"."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
