"""Recognize the emotions of all faces in an image, with the classifier that the user chose."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.data.pixels import stretch_contrast
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.face import Face
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import FaceDetector

if TYPE_CHECKING:  # it imports libraries that worker processes do not need
    from pipeline.workflow.artifacts import ArtifactStore

TRAINED_MODEL = "data"  # value of --model that selects the network trained in data/


class Classifier(Protocol):
    """Anything that predicts the emotions of cropped faces: an EmotionClassifier, or a wrapper around one."""

    @property
    def emotions(self) -> Emotions:
        """The names of the K emotions."""
        ...

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        """Return the probabilities (N, K) of faces (N, 48, 48) uint8."""
        ...


class SharedClassifier:
    """An EmotionClassifier that several threads can use, one at a time."""

    def __init__(self, classifier: EmotionClassifier):
        self.classifier, self.lock = classifier, threading.Lock()

    @property
    def path(self) -> Path:
        """The file of the network."""
        return self.classifier.path

    @property
    def emotions(self) -> Emotions:
        """The names of the K emotions."""
        return self.classifier.emotions

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        """Return the probabilities (N, K) of faces (N, 48, 48) uint8."""
        with self.lock:
            return self.classifier.predict_proba(faces, tta)


@dataclass(frozen=True)
class FacePrediction:
    """A detected face with the probabilities of its emotions.

    Attributes:
        face: where the face is in the image.
        probabilities: (K,) float32, one for each of `emotions`.
        track_id: counted from 1. In a single image the largest face is 1; in a video a face keeps its track_id from
            frame to frame.
        emotions: their names.
    """

    face: Face
    probabilities: np.ndarray
    track_id: int
    emotions: Emotions = EMOTIONS

    @property
    def emotion(self) -> str:
        """The most probable emotion."""
        return self.emotions[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """The probability of that emotion."""
        return float(self.probabilities.max())

    def scaled(self, x_scale: float, y_scale: float) -> "FacePrediction":
        """Return the prediction in the coordinates of an image that is larger by these factors."""
        return replace(self, face=self.face.scaled(x_scale, y_scale))


def recognize_faces(
    image: np.ndarray, detector: FaceDetector, classifier: Classifier, tta: int = 1, reduction: float = 1.0
) -> list[FacePrediction]:
    """Detect the faces of an image (height, width, 3) uint8 RGB and classify their emotions.

    Args:
        tta: views of each face to average over (test-time augmentation).
        reduction: factor by which the image was reduced, for the detector's smallest size of a face.

    Returns:
        The faces, the largest first, with track_id counted from 1.
    """
    faces = detector.detect(image, reduction)
    if not faces:
        return []
    crops = np.stack([crop_face(image, face) for face in faces])
    return [
        FacePrediction(face, probabilities, track_id, classifier.emotions)
        for track_id, (face, probabilities) in enumerate(
            zip(faces, classifier.predict_proba(stretch_contrast(crops), tta), strict=True), start=1
        )
    ]


def load_classifier(
    model: str, store: "ArtifactStore", default: Path, *, trust: bool = False
) -> EmotionClassifier:
    """Load the classifier that --model names, and print which one it is.

    Args:
        model: "data" for the network trained in data/, the file of a saved network, or "" for the default.
        default: the network in models/ that is used for "".
        trust: load a SavedModel that no model card describes, too.

    Only the network in data/ and Keras files start TensorFlow.
    """
    if model == TRAINED_MODEL:
        return _load_trained_classifier(store)
    classifier = EmotionClassifier(model or default, trust=trust)
    trained_on = (model_zoo.read_model_card(classifier.path) or {}).get(
        "data", "unknown data (no model card)"
    )
    print(f"  model: {classifier.path.name}, trained on {trained_on}", flush=True)
    if classifier.emotions != EMOTIONS:
        print(f"  emotions: {', '.join(classifier.emotions)}", flush=True)
    if not model and store.has("trained_model"):
        print(f"  (--model {TRAINED_MODEL} selects the network trained in data/)", flush=True)
    return classifier


def _load_trained_classifier(store: "ArtifactStore") -> EmotionClassifier:
    packed, trained_on = store.read("trained_model"), store.read("source", track=False)["label"]
    emotions = store.read("emotions", track=False)

    from pipeline.models import serialization  # starts TensorFlow

    network = serialization.unpack(packed)
    print(f"  model: {network.name} from data/, trained on {trained_on}", flush=True)
    return EmotionClassifier(network, emotions=emotions)
