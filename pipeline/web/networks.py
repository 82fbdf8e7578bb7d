"""The networks that users of the page choose from: the one it was started with, and those that ship in models/."""

import threading
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.recognition import SharedClassifier

UNKNOWN_ACCURACY = "Its accuracy is unknown: it has no model card with one."


@dataclass(frozen=True)
class Accuracy:
    """A network's accuracy on the test split, according to its model card.

    Attributes:
        value: share of the faces, 0 to 1.
        interval: its 95% interval.
        faces: how many were classified.
        data: what they are from.
        has_votes: whether the true emotion is that of FER+'s voters, by majority, or else the data's label.
    """

    value: float
    interval: tuple[float, float]
    faces: int
    data: str
    has_votes: bool

    @property
    def short(self) -> str:
        """As in a list of networks."""
        return f"{self.value:.1%} of the {'voters' if self.has_votes else 'labels'}"

    @property
    def sentence(self) -> str:
        """With all that is needed to judge it."""
        low, high = self.interval
        return (
            f"It agrees with the {'majority of ten voters' if self.has_votes else 'label'} on {self.value:.1%} of "
            f"{self.faces:,} test faces of {self.data} (95% interval {low:.1%} to {high:.1%})."
        )


class Networks:
    """Loads each network when it is first chosen. Safe to use from several threads.

    Only LiteRT files of `folder` are offered, since others start TensorFlow, and only beside a network of FER2013's
    seven emotions, which are theirs.

    Attributes:
        emotions: names of what they predict, all the same ones.
        default_name: of the network `default`.
        paths: name -> file of each network.
        accuracies: name -> accuracy, None if it is unknown.
    """

    def __init__(self, default: SharedClassifier, folder: Path = model_zoo.MODELS_DIR):
        is_shipped = default.path.suffix == ".tflite" and default.path.resolve().parent == folder.resolve()
        self.default_name = default.path.stem if is_shipped else default.path.name
        self.paths = {self.default_name: default.path}
        self.emotions = default.emotions
        if default.emotions == EMOTIONS:
            self.paths |= {path.stem: path for path in sorted(folder.glob("*.tflite"))}
        self.accuracies = {name: read_accuracy(path) for name, path in self.paths.items()}
        self.classifiers = {self.default_name: default}
        self.lock = threading.Lock()

    def get(self, name: str) -> SharedClassifier:
        """Return the classifier of a network; raise ValueError for a name that is not offered."""
        if name not in self.paths:
            raise ValueError(f"There is no network {name!r}. Reload the page.")
        with self.lock:
            if name not in self.classifiers:
                self.classifiers[name] = SharedClassifier(EmotionClassifier(self.paths[name]))
            return self.classifiers[name]

    def choices(self) -> list[tuple[str, str]]:
        """Return (text, name) of each network: the default first, then those measured by votes, the best first."""

        def rank(name: str) -> tuple[bool, bool, float]:
            accuracy = self.accuracies[name]
            has_votes = accuracy is not None and accuracy.has_votes
            return name != self.default_name, not has_votes, -accuracy.value if accuracy else 0.0

        return [(f"{name}: {self._describe_briefly(name)}", name) for name in sorted(self.paths, key=rank)]

    def describe(self, name: str) -> str:
        """Return a sentence about a network's accuracy."""
        accuracy = self.accuracies.get(name)
        return accuracy.sentence if accuracy else UNKNOWN_ACCURACY

    def _describe_briefly(self, name: str) -> str:
        accuracy = self.accuracies[name]
        return accuracy.short if accuracy else "accuracy unknown"


def read_accuracy(path: Path) -> Accuracy | None:
    """Read a network's accuracy from its model card; None if it has no card, or one without."""
    try:
        card = model_zoo.read_model_card(path) or {}
        test = card["metrics"]["test"]
        metrics = test.get("voters") or test
        low, high = (float(bound) for bound in metrics["accuracy_ci95"])
        data = "the synthetic sample" if card["is_sample"] else "FER2013"
        has_votes = bool(test.get("voters"))
        return Accuracy(float(metrics["accuracy"]), (low, high), int(metrics["faces"]), data, has_votes)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
