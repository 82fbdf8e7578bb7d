"""The recognition of an image's faces, and the choice of the classifier."""

import numpy as np
import pytest
import skimage
from helpers import load_astronaut

from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo, serialization
from pipeline.vision.face import Face
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import FacePrediction, load_classifier, recognize_faces
from pipeline.workflow.artifacts import ArtifactStore


class FakeClassifier:
    """Predicts Happy for the first face and Sad for all further faces; stores the number of views."""

    emotions = EMOTIONS

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        assert faces.dtype == np.uint8 and faces.shape[1:3] == (48, 48)
        self.tta = tta
        emotions = ["Happy", *["Sad"] * (len(faces) - 1)]
        return np.eye(7, dtype=np.float32)[[EMOTIONS.index(emotion) for emotion in emotions]]


def test_a_prediction_has_the_most_probable_emotion_and_its_confidence():
    probabilities = np.array([0.1, 0, 0, 0.6, 0.1, 0.1, 0.1], np.float32)
    prediction = FacePrediction(Face((0, 0, 10, 10), 0.9), probabilities, 1)
    assert prediction.emotion == "Happy" and prediction.confidence == pytest.approx(0.6)


def test_faces_are_classified_the_largest_first():
    photograph = np.asarray(load_astronaut())
    image = np.zeros((250, 400, 3), np.uint8)
    image[:, :150] = np.asarray(load_astronaut().resize((150, 150)).crop((0, -50, 150, 200)))
    image[:, 150:] = photograph
    classifier = FakeClassifier()
    predictions = recognize_faces(image, FaceDetector(), classifier, tta=18)
    assert [prediction.track_id for prediction in predictions] == [1, 2] and classifier.tta == 18
    assert [prediction.emotion for prediction in predictions] == ["Happy", "Sad"]
    assert predictions[0].face.size > predictions[1].face.size
    assert predictions[0].face.center[0] > 150 > predictions[1].face.center[0]


def test_an_image_without_faces_has_no_predictions():
    assert recognize_faces(skimage.data.coffee(), FaceDetector(), FakeClassifier()) == []


# --------------------------------------------------------------------------------------------------
# The classifier
# --------------------------------------------------------------------------------------------------
def test_the_default_is_the_network_that_ships_even_with_a_trained_one(tmp_path, capsys):
    store = ArtifactStore(tmp_path / "data")
    store.write(
        trained_model="a network trained on photographs", source={"is_sample": False, "label": "FER2013"}
    )
    classifier = load_classifier("", store, model_zoo.DEFAULT_MODEL)
    assert classifier.path == model_zoo.DEFAULT_MODEL
    output = capsys.readouterr().out
    assert model_zoo.DEFAULT_MODEL.name in output and "--model data" in output


def test_a_named_file_is_loaded(tmp_path, capsys):
    path = model_zoo.MODELS_DIR / "LeNet-5_distilled.tflite"
    classifier = load_classifier(str(path), ArtifactStore(tmp_path), model_zoo.DEFAULT_MODEL)
    assert classifier.path == path
    assert model_zoo.read_model_card(path)["data"] in capsys.readouterr().out


def test_without_a_trained_network_model_data_is_an_error(tmp_path):
    with pytest.raises((FileNotFoundError, ValueError), match="trained_model"):
        load_classifier("data", ArtifactStore(tmp_path), model_zoo.DEFAULT_MODEL)


@pytest.mark.slow  # starts TensorFlow
def test_model_data_selects_the_trained_network(tmp_path, capsys):
    from pipeline.models.backend import keras

    layers = [
        keras.layers.Input((48, 48, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(7, activation="softmax"),
    ]
    network = keras.Sequential(layers, name="Dense")
    store = ArtifactStore(tmp_path / "data")
    store.write(
        trained_model=serialization.pack(network),
        source={"is_sample": False, "label": "new photographs"},
        emotions=EMOTIONS[::-1],
    )
    classifier = load_classifier("data", store, model_zoo.DEFAULT_MODEL)
    assert classifier.emotions == EMOTIONS[::-1]
    assert classifier.path.name == "Dense" and "new photographs" in capsys.readouterr().out
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    expected = EmotionClassifier(network).predict_proba(faces)
    np.testing.assert_array_equal(classifier.predict_proba(faces), expected)
    assert store.inputs["trained_model"]
