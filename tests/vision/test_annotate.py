"""Faces are annotated in the color of their emotion, on images of any size and at any position."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision.annotate import EMOTION_RGB, TRACK_RGB, annotate_faces, contrasting_color
from pipeline.vision.face import Face
from pipeline.vision.recognition import FacePrediction

GRAY_LEVEL = 100  # of the background; in no color that is drawn
HAPPY_RGB = EMOTION_RGB["Happy"]


def make_prediction(
    left: float,
    top: float,
    width: float,
    height: float,
    emotion: str = "Happy",
    roll: float = 0,
    number: int = 1,
) -> FacePrediction:
    x, y = float(np.cos(np.radians(roll))), float(np.sin(np.radians(roll)))
    landmarks = ((0.0, 0.0), (x, y), *[(0.0, 0.0)] * 3) if roll else ()
    probabilities = np.full(7, 0.1 / 6, np.float32)
    probabilities[EMOTIONS.index(emotion)] = 0.9
    return FacePrediction(Face((left, top, width, height), 0.9, landmarks), probabilities, number)


def make_image(height: int = 400, width: int = 600) -> np.ndarray:
    return np.full((height, width, 3), GRAY_LEVEL, np.uint8)


def has_color(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Return where an image (H, W, 3) has exactly that color, (H, W) bool."""
    return (image == color).all(axis=2)


def track_columns(image: np.ndarray) -> slice:
    """Return the columns of the bars, by the tracks of those that are shorter than 100%; letters have other grays."""
    end = np.flatnonzero(has_color(image, TRACK_RGB).any(axis=0)).max() + 1
    return slice(end - 36, end)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_box_and_label_have_the_color_of_the_emotion(emotion):
    image, color = make_image(), EMOTION_RGB[emotion]
    annotate_faces(image, [make_prediction(100, 100, 150, 200, emotion)], bars=False)
    colored = has_color(image, color)
    assert colored[100:300, 100].all() and colored[100:300, 250].all()
    assert colored[100, 100:250].all() and colored[300, 100:250].all()
    label = image[82:98, 100:250]
    assert has_color(label, color).sum() > 300
    assert has_color(label, contrasting_color(color)).any()
    for other in set(EMOTIONS) - {emotion}:
        assert not has_color(image, EMOTION_RGB[other]).any()


def test_the_face_inside_the_box_is_unchanged():
    image = make_image()
    annotate_faces(image, [make_prediction(100, 100, 150, 200)], bars=False)
    assert (image[110:290, 110:240] == GRAY_LEVEL).all()


def test_the_length_of_each_bar_is_proportional_to_its_probability():
    image, prediction = make_image(), make_prediction(100, 100, 150, 200, "Sad")
    annotate_faces(image, [prediction])
    for emotion, probability in zip(EMOTIONS, prediction.probabilities, strict=True):
        length = has_color(image[:, track_columns(image)], EMOTION_RGB[emotion]).sum(axis=1).max()
        assert length == round(float(probability) * 36), emotion


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_each_bar_has_a_track_of_the_length_of_100_percent(share):
    probabilities = np.full(7, (1 - share) / 6, np.float32)
    probabilities[EMOTIONS.index("Sad")] = share
    image = make_image()
    annotate_faces(image, [FacePrediction(Face((100, 100, 150, 200), 0.9), probabilities, 1)])
    panel = image[:, track_columns(image)]
    filled = has_color(panel, TRACK_RGB).copy()
    for color in EMOTION_RGB.values():
        filled |= has_color(panel, color)
    lengths = filled.sum(axis=1)
    assert lengths.max() == 36 and (lengths == 36).sum() >= 7 * 9


def test_bars_are_drawn_to_the_left_where_the_right_has_no_room():
    image = make_image()
    annotate_faces(image, [make_prediction(500, 100, 90, 100)])
    assert has_color(image[:, 300:490], HAPPY_RGB).any()


def test_the_box_is_rotated_by_the_roll():
    image = make_image()
    annotate_faces(image, [make_prediction(200, 100, 200, 200, roll=45)], bars=False)
    colored, half_diagonal = has_color(image, HAPPY_RGB), round(100 * np.sqrt(2))
    for x, y in ((0, -half_diagonal), (0, half_diagonal), (-half_diagonal, 0), (half_diagonal, 0)):
        assert colored[200 + y - 4 : 200 + y + 5, 300 + x - 4 : 300 + x + 5].any()
    assert not colored[290:, 390:].any()


BOXES_OUTSIDE = [(-300, -300, 100, 100), (-40, -30, 100, 100), (550, 380, 100, 100), (9000, 9000, 50, 50)]
BOXES = [*BOXES_OUTSIDE, (-5, -5, 5000, 5000), (3.3, 2.7, 14.1, 13.9)]


@pytest.mark.parametrize(
    "size", [(20, 20), (25, 4000), (4000, 25), (30, 61), (400, 600), (1, 1)], ids="{0[0]}x{0[1]}".format
)
def test_boxes_at_any_position_are_drawn_on_images_of_any_size(size):
    for box in BOXES:
        for roll in (0, 30, -170):
            image = make_image(*size)
            predictions = [make_prediction(*box, roll=roll), make_prediction(2, 2, 15, 15, "Angry")]
            annotate_faces(image, predictions)
            assert image.shape == (*size, 3)


@pytest.mark.parametrize(("left", "top"), [(-40, -30), (550, 380), (580, -20)])
def test_the_label_stays_inside_the_image(left, top):
    image = make_image()
    annotate_faces(image, [make_prediction(left, top, 60, 60)], bars=False)
    assert has_color(image, HAPPY_RGB).sum() > 600
