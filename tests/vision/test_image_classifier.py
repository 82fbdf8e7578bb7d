"""Boxes and annotated copies of images that are reduced before faces are detected."""

import numpy as np
import pytest
from helpers import load_astronaut
from PIL import Image

from pipeline.data import image_decoder
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import annotate
from pipeline.vision.annotate import EMOTION_RGB
from pipeline.vision.image_classifier import ImageClassifier


@pytest.fixture(scope="module")
def classifier() -> ImageClassifier:
    return ImageClassifier(EmotionClassifier(model_zoo.DEFAULT_MODEL))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1200, 1000), (1201, 1001), (1003, 2400)])
def test_boxes_and_copies_of_a_reduced_image_are_in_pixels_of_its_file(
    classifier, tmp_path, monkeypatch, size
):
    scene = Image.new("RGB", size, (90, 110, 90))
    scene.paste(load_astronaut(), (600, 500))
    path, copy_path = tmp_path / "x.png", tmp_path / "copy.png"
    scene.save(path)
    (whole,) = classifier.classify(path).rows
    monkeypatch.setattr(image_decoder, "MAX_PIXELS", 500_000)
    (reduced,) = classifier.classify(path, copy_path).rows
    sides = ("left", "top", "width", "height")
    boxes = [[float(row[side]) for side in sides] for row in (whole, reduced)]
    np.testing.assert_allclose(*boxes, atol=8)
    assert "note" not in whole and str(size[0]) in reduced["note"]
    copy = np.asarray(Image.open(copy_path)).astype(int)
    assert copy.shape == (size[1], size[0], 3)
    left, top = round(boxes[0][0]), round(boxes[0][1])
    is_happy = np.abs(copy - EMOTION_RGB["Happy"]).max(axis=2) < 10
    assert is_happy[top : top + 100, left - 12 : left + 12].any(axis=1).all()


def test_the_copy_of_a_very_large_image_stays_reduced(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(image_decoder, "MAX_PIXELS", 200_000)
    monkeypatch.setattr(annotate, "MAX_COPY_PIXELS", 500_000)
    load_astronaut().resize((800, 800)).save(tmp_path / "x.jpg")
    (row,) = classifier.classify(tmp_path / "x.jpg", tmp_path / "copy.jpg").rows
    assert float(row["width"]) > 200
    copy = np.asarray(Image.open(tmp_path / "copy.jpg")).astype(int)
    assert copy.shape == (400, 400, 3)
    left, top = round(float(row["left"]) / 2), round(float(row["top"]) / 2)
    assert (
        np.abs(copy[top + 20 : top + 120, left - 4 : left + 5] - EMOTION_RGB["Happy"]).max(axis=2).min() < 60
    )
