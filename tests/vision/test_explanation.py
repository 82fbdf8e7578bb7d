"""Faces are explained by what a classifier looks at, and drawn with their maps and bars."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision.annotate import EMOTION_RGB
from pipeline.vision.explanation import MARGIN, TILE_SIDE, draw_explanation, explain_crop, explain_faces
from pipeline.vision.face import Face
from pipeline.vision.recognition import FacePrediction


class MouthClassifier:
    """Sees Happy in white pixels at the mouth, and Sad otherwise; counts the views."""

    emotions = EMOTIONS

    def __init__(self):
        self.views = set()

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        self.views.add(tta)
        probabilities = np.zeros((len(faces), 7), np.float32)
        happy = faces[:, 34:42, 16:32].mean(axis=(1, 2)) / 255
        probabilities[:, EMOTIONS.index("Happy")] = happy
        probabilities[:, EMOTIONS.index("Sad")] = 1 - happy
        return probabilities


@pytest.fixture
def crops() -> np.ndarray:
    """A smiling face and a black one."""
    crops = np.zeros((2, 48, 48), np.uint8)
    crops[0, 34:42, 16:32] = 255
    return crops


def predict(classifier: MouthClassifier, crops: np.ndarray) -> list[FacePrediction]:
    return [
        FacePrediction(Face((0, 0, 48, 48), 1), probabilities, number)
        for number, probabilities in enumerate(classifier.predict_proba(crops), start=1)
    ]


def test_the_map_is_of_the_predicted_emotion_and_of_few_views(crops):
    classifier = MouthClassifier()
    maps = explain_faces(classifier, crops, predict(classifier, crops), tta=18)
    assert classifier.views == {1, 2}
    row, column = np.unravel_index(maps[0].argmax(), (48, 48))
    assert 34 <= row < 42 and 16 <= column < 32 and maps[0].max() > 0.5
    assert not maps[1].any()  # a black face stays the same, wherever its mean gray level hides a part


def test_each_face_has_its_tile_its_map_and_its_bars(crops):
    classifier = MouthClassifier()
    predictions = predict(classifier, crops)
    maps = explain_faces(classifier, crops, predictions, tta=1)
    tiles = [crop.repeat(5, axis=0).repeat(5, axis=1)[:TILE_SIDE, :TILE_SIDE] for crop in crops]
    image = draw_explanation(tiles, maps, predictions)
    tile = image[MARGIN : MARGIN + TILE_SIDE, MARGIN : MARGIN + TILE_SIDE]
    assert (tile == tiles[0][..., np.newaxis]).all()
    left = 2 * MARGIN + TILE_SIDE
    heat_map = image[MARGIN : MARGIN + TILE_SIDE, left : left + TILE_SIDE].astype(int)
    colored = np.ptp(heat_map, axis=2) > 20
    rows, columns = np.nonzero(colored)
    assert rows.mean() == pytest.approx(TILE_SIDE * 38 / 48, abs=12)
    assert columns.mean() == pytest.approx(TILE_SIDE / 2, abs=12)
    for emotion in ("Happy", "Sad"):
        assert (image == EMOTION_RGB[emotion]).all(axis=2).any()
    single = explain_crop(crops[0], predictions[0].probabilities, classifier, tta=1)
    assert single.shape[0] < 2 * TILE_SIDE < image.shape[0] and single.shape[1] == image.shape[1]
