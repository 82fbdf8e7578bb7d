"""The models that ship in models/: they predict what their cards record, and a modified file is refused."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.pixels import to_uint8
from pipeline.evaluation.predict import predict_proba
from pipeline.inference.classifier import EmotionClassifier
from pipeline.inference.model_card import render_model_card
from pipeline.models import model_zoo, serialization
from pipeline.workflow.fingerprint import compute_folder_sha256

KERAS_FILES = sorted(model_zoo.MODELS_DIR.glob("*.keras"))
INT8_FILES = sorted(model_zoo.MODELS_DIR.glob("*_int8.tflite"))
LITERT_FILES = sorted(set(model_zoo.MODELS_DIR.glob("*.tflite")) - set(INT8_FILES))
MAX_FILE_BYTES = 25e6
MAX_INT8_DIFFERENCE = 0.1  # of a probability


def test_the_models_ship_in_both_formats_and_transfer_as_keras_only():
    names = {
        "LeNet-5_baseline",
        "LeNet-5_distilled",
        "LeNet-5_votes",
        "Compact",
        "Compact_votes",
        "Strong",
        "Strong_votes",
    }
    assert {path.stem for path in KERAS_FILES} == names | {"Transfer", "Transfer_votes"}
    assert {path.stem for path in LITERT_FILES} == names
    assert [path.stem for path in INT8_FILES] == ["Compact_votes_int8", "Strong_votes_int8"]
    for path in (*KERAS_FILES, *LITERT_FILES, *INT8_FILES):
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


@pytest.mark.parametrize("path", INT8_FILES, ids=lambda path: path.stem)
def test_int8_file_predicts_about_what_its_card_records(path):
    faces = to_uint8(model_zoo.load_reference_faces())
    expected = np.array(model_zoo.read_model_card(path)["reference_predictions"])
    probabilities = EmotionClassifier(path).predict_proba(faces)
    np.testing.assert_allclose(probabilities, expected, atol=MAX_INT8_DIFFERENCE)
    assert np.mean(probabilities.argmax(axis=1) == expected.argmax(axis=1)) > 0.9


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
    assert not model_zoo.verify_checksum(path)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "1",
        "null",
        '"text"',
        "{}",
        '{"formats": []}',
        '{"formats": {"model.keras": 1}}',
        '{"class_name": "Functional", "config": {}}',
        '{"a": 1}\n{"b": 2}\n',
        "not JSON",
        "",
        "[" * 100_000,
    ],
    ids=lambda content: content[:20],
)
def test_json_file_that_is_not_a_card_is_ignored(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(b"anything")
    path.with_suffix(".json").write_text(content, encoding="utf-8")
    assert model_zoo.read_model_card(path) is None
    assert not model_zoo.verify_checksum(path)


def test_files_of_all_formats_are_verified_by_the_card_that_lists_them(tmp_path):
    folder = tmp_path / "model_saved_model"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "weights").write_bytes(b"weights")
    (tmp_path / "model_int8.tflite").write_bytes(b"weights")
    formats = {
        folder.name: {"folder_sha256": compute_folder_sha256(folder)},
        "model_int8.tflite": {"sha256": hashlib.sha256(b"weights").hexdigest()},
    }
    (tmp_path / "model.json").write_text(json.dumps({"formats": formats}))
    (tmp_path / "model_i.json").write_text("[]")
    for path in (folder, tmp_path / "model_int8.tflite"):
        assert model_zoo.verify_checksum(path)
    (folder / "added.py").touch()
    (tmp_path / "model_int8.tflite").write_bytes(b"others")
    for path in (folder, tmp_path / "model_int8.tflite"):
        with pytest.raises(ValueError, match="SHA-256"):
            model_zoo.verify_checksum(path)


def test_truncated_card_is_refused(tmp_path):
    (tmp_path / "model.json").write_text('{"name": "mod', encoding="utf-8")
    with pytest.raises(ValueError, match=r"model\.json.*model\.keras"):
        model_zoo.read_model_card(tmp_path / "model.keras")
