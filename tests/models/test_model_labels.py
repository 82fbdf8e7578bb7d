"""The names of a network's outputs are stored in its file and read from it, or else from the model card beside it."""

import json

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_labels, model_zoo, serialization
from pipeline.models.backend import keras

layers = keras.layers
SETS = [("Angry", "Happy", "Neutral"), ("Wut", "Fröhlich"), (*EMOTIONS, "Contempt"), EMOTIONS]


def build(n_emotions: int) -> keras.Model:
    return keras.Sequential(
        [keras.Input((48, 48, 1)), layers.Flatten(), layers.Dense(n_emotions, activation="softmax")],
        name="Tiny",
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("emotions", SETS)
def test_saved_files_name_their_labels(tmp_path, emotions, suffix):
    path = tmp_path / f"model{suffix}"
    serialization.save_model(build(len(emotions)), path, emotions)
    assert model_labels.read_keras_labels(path) == emotions
    model_labels.check_labels(path, emotions)
    with pytest.raises(ValueError, match="the data set has Fear, Sad"):
        model_labels.check_labels(path, ("Fear", "Sad"))
    classifier = EmotionClassifier(path)
    assert classifier.emotions == emotions
    assert classifier.predict_proba(np.zeros((2, 48, 48), np.uint8)).shape == (2, len(emotions))


@pytest.mark.parametrize("emotions", SETS[:3])
def test_the_model_card_names_the_labels_of_a_file_that_does_not(tmp_path, emotions):
    path = tmp_path / "model.keras"
    build(len(emotions)).save(path)
    assert model_labels.read_keras_labels(path) == ()
    with pytest.raises(ValueError, match="model card"):
        EmotionClassifier(path)
    card = {"formats": {}, "labels": {str(index): name for index, name in enumerate(emotions)}}
    path.with_suffix(".json").write_text(json.dumps(card))
    assert EmotionClassifier(path).emotions == emotions == model_zoo.read_card_labels(path)
    card["labels"] = {"1": "Happy", "2": "Sad"}
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="number its labels"):
        EmotionClassifier(path)


@pytest.mark.parametrize("name", ["Compact.keras", "Strong_votes.keras", "Compact_votes.tflite"])
def test_shipped_models_predict_the_emotions_of_fer2013(name):
    path = model_zoo.MODELS_DIR / name
    if path.suffix == ".keras":
        model_labels.check_labels(path, EMOTIONS)
        with pytest.raises(ValueError, match="Contempt"):
            model_labels.check_labels(path, (*EMOTIONS, "Contempt"))
    else:
        assert EmotionClassifier(path).emotions == model_labels.read_litert_labels(path) == EMOTIONS
