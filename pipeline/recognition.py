"""From a picture to its faces and their emotions, for whatever people have: photographs, videos, a camera."""

from dataclasses import dataclass
from pathlib import Path

from pipeline import shipped
from pipeline.cache import Cache
from pipeline.dataset import EMOTIONS
from pipeline.faces import Face, Finder, crop
from pipeline.runtime import Recogniser

import numpy as np

IN_DATA = "data"  # the name of the network that was trained there


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
    """The file `model`, or the network in data/ where that is "data"; says which.

    Where it is "", the network in data/ if it was trained on photographs, else the one that ships: drawn faces teach
    nothing about real ones. Only the one in data/, or a file of Keras's, makes TensorFlow start.
    """
    knows_photographs = cache.has("trained_model") and not cache.read("source")["is_sample"]
    if model == IN_DATA or (not model and knows_photographs):
        from pipeline import network

        network = network.unpack(cache.read("trained_model"))
        trained_on = cache.read("source")["label"]
        print(f"  recognised by the {network.name} in data/, trained on {trained_on}", flush=True)
        return Recogniser(network)
    recogniser = Recogniser(model or otherwise)
    trained_on = (shipped.card_of(recogniser.path) or {}).get("data", "data that no card names")
    print(f"  recognised by {recogniser.path.name}, trained on {trained_on}", flush=True)
    if not model and cache.has("trained_model"):
        print(f"  (the network in data/ knows drawn faces only; --model {IN_DATA} takes it all the same)")
    return recogniser
