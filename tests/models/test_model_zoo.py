"""The models that ship in models/: they predict what their cards record, and a modified file is refused."""

import shutil

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.pixels import to_uint8
from pipeline.evaluation.predict import predict_proba
from pipeline.inference.classifier import EmotionClassifier
from pipeline.inference.model_card import render_model_card
from pipeline.models import model_zoo, serialization

KERAS_FILES = sorted(model_zoo.MODELS_DIR.glob("*.keras"))
LITERT_FILES = sorted(model_zoo.MODELS_DIR.glob("*.tflite"))
MAX_FILE_BYTES = 25e6


def test_five_models_ship_in_both_formats():
    names = {"LeNet-5_baseline", "LeNet-5_distilled", "Compact", "Compact_votes", "Strong"}
    assert {path.stem for path in KERAS_FILES} == names
    assert {path.stem for path in LITERT_FILES} == names
    for path in (*KERAS_FILES, *LITERT_FILES):
        assert path.stat().st_size < MAX_FILE_BYTES
        assert path.name in model_zoo.read_model_card(path)["formats"]
        model_zoo.verify_checksum(path)
    assert model_zoo.DEFAULT_MODEL in LITERT_FILES


@pytest.mark.parametrize("path", KERAS_FILES, ids=lambda path: path.stem)
def test_keras_file_predicts_what_its_card_records(path):
    card = model_zoo.read_model_card(path)
    assert list(card["labels"].values()) == list(EMOTIONS)
    probabilities = predict_proba(serialization.load_model(path), model_zoo.load_reference_faces())
    np.testing.assert_allclose(probabilities, card["reference_predictions"], atol=1e-4)


@pytest.mark.parametrize("path", LITERT_FILES, ids=lambda path: path.stem)
def test_litert_file_predicts_what_its_card_records(path):
    faces = to_uint8(model_zoo.load_reference_faces())
    expected = model_zoo.read_model_card(path)["reference_predictions"]
    np.testing.assert_allclose(EmotionClassifier(path).predict_proba(faces), expected, atol=1e-4)


@pytest.mark.parametrize("path", KERAS_FILES, ids=lambda path: path.stem)
def test_markdown_card_is_rendered_from_the_json_card(path):
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert text == render_model_card(model_zoo.read_model_card(path))


def test_reference_faces_are_two_of_each_emotion():
    faces = model_zoo.load_reference_faces()
    assert faces.shape == (2 * len(EMOTIONS), 48, 48, 1) and faces.dtype == np.float32
    assert 0 <= faces.min() < faces.max() <= 1


def test_modified_file_is_refused(tmp_path):
    path = KERAS_FILES[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    modified = tmp_path / path.name
    modified.write_bytes(content)
    shutil.copy(path.with_suffix(".json"), tmp_path)
    with pytest.raises(ValueError, match=rf"{path.name}.*SHA-256"):
        serialization.load_model(modified)


def test_file_without_a_card_passes(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"anything")
    assert model_zoo.read_model_card(path) is None
    model_zoo.verify_checksum(path)


def test_truncated_card_is_refused(tmp_path):
    (tmp_path / "model.json").write_text('{"name": "mod', encoding="utf-8")
    with pytest.raises(ValueError, match=r"model\.json.*model\.keras"):
        model_zoo.read_model_card(tmp_path / "model.keras")
