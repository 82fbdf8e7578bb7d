"""The networks that ship in models/: whole, told rightly by their cards, and refused once altered."""

import shutil

import keras
import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.evaluation import predict
from pipeline.models import model_zoo, serialization

MODELS = sorted(model_zoo.MODELS_DIR.glob("*.keras"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_shipped_network_answers_as_its_card_says(path):
    card = model_zoo.read_model_card(path)
    assert list(card["labels"].values()) == list(EMOTIONS) and path.name in card["formats"]
    assert path.stat().st_size < 25e6
    answers = predict.predict_proba(serialization.load_model(path), model_zoo.load_reference_faces())
    np.testing.assert_allclose(answers, card["drawn_faces"], atol=1e-4)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_its_card_for_people_says_what_the_one_for_programs_does(path):
    card, text = model_zoo.read_model_card(path), path.with_suffix(".md").read_text(encoding="utf-8")
    assert all(command in text for command in card["commands"])
    for split, figures in card["metrics"].items():
        if split == "validation" and card["settings"]["train_x"].get("validation_too"):
            split = "validation, trained on as well"
        assert f"| {split} | {figures['faces']:,} | {figures['accuracy']:.2%} |" in text
    assert card["formats"][path.name]["sha256"] in text


def test_all_that_is_promised_ships():
    assert {path.stem for path in MODELS} == {"LeNet-5_description", "LeNet-5_strong", "Compact", "Strong"}
    for chosen in (model_zoo.MOST_ACCURATE_MODEL, model_zoo.FASTEST_MODEL):
        assert chosen.with_suffix(".keras") in MODELS
        model_zoo.verify_checksum(chosen)
        assert chosen.name in model_zoo.read_model_card(chosen)["formats"]


def test_an_altered_file_is_refused(tmp_path):
    path = MODELS[0]
    altered = tmp_path / path.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    altered.write_bytes(content)
    shutil.copy(path.with_suffix(".json"), tmp_path)
    with pytest.raises(ValueError, match="altered or cut short; take it from the repository again"):
        serialization.load_model(altered)


@pytest.mark.parametrize("content", [b"", b"no network", b"PK\x03\x04 cut short"])
def test_what_is_no_network_is_refused_with_a_sentence(tmp_path, content):
    (tmp_path / "x.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.keras is no model that Keras can load"):
        serialization.load_model(tmp_path / "x.keras")
    with pytest.raises(FileNotFoundError, match=r"absent\.keras is not there\. It should be a model"):
        serialization.load_model(tmp_path / "absent.keras")


def test_a_network_that_brings_code_is_refused(tmp_path):
    layers = [
        keras.Input((48, 48, 1)),
        keras.layers.Lambda(lambda x: x),
        keras.layers.Flatten(),
        keras.layers.Dense(7),
    ]
    keras.Sequential(layers).save(tmp_path / "x.keras")
    with pytest.raises(ValueError, match=r"x\.keras is no model that Keras can load"):
        serialization.load_model(tmp_path / "x.keras")


def test_views_are_the_mean_over_mirrored_and_shifted_faces(rng):
    faces = rng.random((3, 48, 48, 1), np.float32)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax")]
    model = keras.Sequential(layers)
    expected = []
    for down in (-2, 0, 2):
        for right in (-2, 0, 2):
            rows = np.clip(np.arange(48) + down, 0, 47)
            columns = np.clip(np.arange(48) + right, 0, 47)
            shifted = faces[:, rows][:, :, columns]
            expected += [model.predict(shifted, verbose=0), model.predict(shifted[:, :, ::-1], verbose=0)]
    np.testing.assert_allclose(
        predict.predict_proba(model, faces, tta=18), np.mean(expected, axis=0), atol=1e-6
    )
    np.testing.assert_allclose(
        predict.predict_proba(model, faces, tta=2), np.mean(expected[8:10], axis=0), atol=1e-6
    )
    np.testing.assert_array_equal(predict.predict_proba(model, faces), model.predict(faces, verbose=0))
    with pytest.raises(ValueError, match="views is 3, but must be one of"):
        predict.predict_proba(model, faces, tta=3)
