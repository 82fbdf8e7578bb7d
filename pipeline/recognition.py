"""From a picture to its faces and their emotions, for whatever people have: photographs, videos, a camera."""

from dataclasses import dataclass
from pathlib import Path

from pipeline import shipped
from pipeline.cache import Cache
from pipeline.dataset import EMOTIONS
from pipeline.faces import Face, Finder, crop
from pipeline.runtime import Recogniser

import numpy as np


@dataclass(frozen=True)
class Recognised:
    """A face in a picture, and the probabilities (7,) of its emotions.

    number: counted from 1, the largest first; in a video, of the person, the same from frame to frame.
    """

    face: Face
    probabilities: np.ndarray
    number: int

    @property
    def emotion(self) -> str:
        return EMOTIONS[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        return float(self.probabilities.max())


def recognise(
    picture: np.ndarray, finder: Finder, recogniser: Recogniser, views: int = 1
) -> list[Recognised]:
    """The faces of a picture (height, width, 3) uint8 RGB with their emotions, the largest first."""
    faces = finder.find(picture)
    if not faces:
        return []
    answers = recogniser.predict(np.stack([crop(picture, face) for face in faces]), views)
    return [
        Recognised(face, probabilities, number)
        for number, (face, probabilities) in enumerate(zip(faces, answers, strict=True), start=1)
    ]


def chosen_recogniser(model: str, cache: Cache, otherwise: Path) -> Recogniser:
    """The file `model`; where that is "", the network trained in data/; where none was, the one that ships.

    Says which. Only the one in data/, or a file of Keras's, makes TensorFlow start.
    """
    if model or not cache.has("trained_model"):
        recogniser = Recogniser(model or otherwise)
        trained_on = (shipped.card_of(recogniser.path) or {}).get("data", "data that no card names")
        print(f"  recognised by {recogniser.path.name}, trained on {trained_on}", flush=True)
        return recogniser
    from pipeline import network

    network = network.unpack(cache.read("trained_model"))
    trained_on = cache.read("source")["label"]
    print(f"  recognised by the {network.name} in data/, trained on {trained_on}", flush=True)
    return Recogniser(network)
