"""Define the colors of the emotions, the same in figures, annotated images, the window and the page."""

# The color-blind safe palette of M. Okabe and K. Ito (https://jfly.uni-koeln.de/color/), with gray for Neutral.
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
    """Convert "#RRGGBB" to red, green and blue, each 0 to 255."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
