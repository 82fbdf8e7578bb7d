"""Faces are drawn in their emotion's color, on pictures of any size, wherever the faces reach."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision import annotate
from pipeline.vision.face import Face
from pipeline.vision.recognition import FacePrediction

GRAY = 100  # no emotion's color, and neither ink nor paper


def recognized(
    left: float, top: float, width: float, height: float, emotion: int = 3, roll: float = 0
) -> FacePrediction:
    across, down = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    landmarks = ((0.0, 0.0), (float(across), float(down)), *[(0.0, 0.0)] * 3) if roll else ()
    probabilities = np.full(7, 0.1 / 6, np.float32)
    probabilities[emotion] = 0.9
    return FacePrediction(Face((left, top, width, height), 0.9, landmarks), probabilities, 1)


def plain(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GRAY, np.uint8)


def has(color: tuple[int, int, int], picture: np.ndarray) -> np.ndarray:
    """Where a picture has just that color."""
    return (picture == color).all(axis=2)


@pytest.mark.parametrize("emotion", range(7), ids=EMOTIONS)
def test_box_and_label_have_the_emotions_color(emotion):
    picture = plain(400, 600)
    annotate.annotate_faces(picture, [recognized(100, 100, 150, 200, emotion)], bars=False)
    color = annotate.EMOTION_RGB[EMOTIONS[emotion]]
    box = has(color, picture)
    assert box[100:300, 100].all() and box[100:300, 250].all()  # its sides
    assert box[100, 100:250].all() and box[300, 100:250].all()
    assert (picture[110:290, 110:240] == GRAY).all()  # and nothing on the face
    label = picture[82:98, 100:250]
    assert has(color, label).sum() > 300 and has(annotate.contrasting_color(color), label).any()
    for other in set(EMOTIONS) - {EMOTIONS[emotion]}:
        assert not has(annotate.EMOTION_RGB[other], picture).any()


def test_bars_are_as_long_as_the_probabilities():
    picture = plain(400, 600)
    face = recognized(100, 100, 150, 200, emotion=4)
    annotate.annotate_faces(picture, [face])
    bars = picture[:, 260:]
    for emotion, probability in zip(EMOTIONS, face.probabilities, strict=True):
        length = has(annotate.EMOTION_RGB[emotion], bars).sum(axis=1).max()
        assert length == round(float(probability) * 36) + 1, emotion
    right = recognized(500, 100, 90, 100)  # there is no room right of it
    picture = plain(400, 600)
    annotate.annotate_faces(picture, [right])
    assert has(annotate.EMOTION_RGB["Happy"], picture[:, 300:490]).any()


def test_a_tilted_face_gets_a_tilted_box():
    picture = plain(400, 600)
    annotate.annotate_faces(picture, [recognized(200, 100, 200, 200, roll=45)], bars=False)
    box = has(annotate.EMOTION_RGB["Happy"], picture)
    corner = round(100 * np.sqrt(2))
    for x, y in ((300, 200 - corner), (300, 200 + corner), (300 - corner, 200), (300 + corner, 200)):
        assert box[y - 4 : y + 5, x - 4 : x + 5].any()
    assert not box[290:, 390:].any()


SIZES = [(20, 20), (25, 4000), (4000, 25), (30, 61), (400, 600), (1, 1)]
FAR = [(-300, -300, 100, 100), (-40, -30, 100, 100), (550, 380, 100, 100), (9000, 9000, 50, 50)]
EVERYWHERE = [*FAR, (-5, -5, 5000, 5000), (3.3, 2.7, 14.1, 13.9)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_face_and_no_picture_is_too_odd_to_draw(size):
    for place in EVERYWHERE:
        for roll in (0, 30, -170):
            picture = plain(*size)
            annotate.annotate_faces(
                picture, [recognized(*place, roll=roll), recognized(2, 2, 15, 15, emotion=0)]
            )
            assert picture.shape == (*size, 3)


def test_a_label_stays_within_the_picture():
    for left, top in ((-40, -30), (550, 380), (580, -20)):
        picture = plain(400, 600)
        annotate.annotate_faces(picture, [recognized(left, top, 60, 60)], bars=False)
        assert has(annotate.EMOTION_RGB["Happy"], picture).sum() > 600, (left, top)
