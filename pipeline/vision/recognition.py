"""From a picture to its faces and their emotions, for whatever people have: photographs, videos, a camera."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.face import Face
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import FaceDetector
from pipeline.workflow.artifacts import ArtifactStore

TRAINED_MODEL = "data"  # the name of the network that was trained there


@dataclass(frozen=True)
class FacePrediction:
    """A face in a picture, and the probabilities (7,) of its emotions.

    track_id: counted from 1, the largest first; in a video, of the person, the same from frame to frame.
    """

    face: Face
    probabilities: np.ndarray
    track_id: int

    @property
    def emotion(self) -> str:
        return EMOTIONS[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        return float(self.probabilities.max())


def recognize_faces(
    picture: np.ndarray, detector: FaceDetector, classifier: EmotionClassifier, tta: int = 1
) -> list[FacePrediction]:
    """The faces of a picture (height, width, 3) uint8 RGB with their emotions, the largest first."""
    faces = detector.detect(picture)
    if not faces:
        return []
    answers = classifier.predict_proba(np.stack([crop_face(picture, face) for face in faces]), tta)
    return [
        FacePrediction(face, probabilities, number)
        for number, (face, probabilities) in enumerate(zip(faces, answers, strict=True), start=1)
    ]


def load_classifier(model: str, store: ArtifactStore, default: Path) -> EmotionClassifier:
    """The file `model`, or the network in data/ where that is "data"; says which.

    Where it is "", the network in data/ if it was trained on photographs, else the one that ships: drawn faces teach
    nothing about real ones. Only the one in data/, or a file of Keras's, makes TensorFlow start.
    """
    knows_photographs = store.has("trained_model") and not store.read("source")["is_sample"]
    if model == TRAINED_MODEL or (not model and knows_photographs):
        from pipeline.models import serialization

        network = serialization.unpack(store.read("trained_model"))
        trained_on = store.read("source")["label"]
        print(f"  recognized by the {network.name} in data/, trained on {trained_on}", flush=True)
        return EmotionClassifier(network)
    classifier = EmotionClassifier(model or default)
    trained_on = (model_zoo.read_model_card(classifier.path) or {}).get("data", "data that no card names")
    print(f"  recognized by {classifier.path.name}, trained on {trained_on}", flush=True)
    if not model and store.has("trained_model"):
        print(
            f"  (the network in data/ knows drawn faces only; --model {TRAINED_MODEL} takes it all the same)"
        )
    return classifier
