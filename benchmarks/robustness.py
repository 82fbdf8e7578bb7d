"""Measure the accuracy of each shipped network on faces degraded as poor light, cameras and files degrade them.

As in ImageNet-C (D. Hendrycks and T. Dietterich, ICLR 2019), each corruption has five strengths. Faces pass the same
normalization of contrast as those of a photograph. Accuracy is the share of validation faces whose most probable
emotion is the voters' majority, or the label where step 2 has loaded no votes. Steps 2 and 6 must have run.
Run:    python3 benchmarks/robustness.py
        python3 benchmarks/robustness.py --models Compact_votes --faces 3000
        python3 benchmarks/robustness.py --peers peer/fer/data/*.tflite       (see benchmarks/inference.py)
Expect: some minutes for 1,000 faces, most of them for the largest network.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import run_benchmark

import cv2
import numpy as np
from peers import load_peer, to_peer_input
from tqdm import tqdm

from pipeline.data.pixels import stretch_contrast, to_uint8
from pipeline.data.votes import NO_MAJORITY
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import PositiveInt, Seed

Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
PredictFunction = Callable[[np.ndarray], np.ndarray]


@dataclass
class Settings:
    models: tuple[str, ...] = ()  # in models/; none: all that have a .tflite file
    peers: tuple[str, ...] = ()  # .hdf5 and .tflite files of other projects, see peers.py
    faces: PositiveInt = 1000  # validation faces, chosen at random
    seed: Seed = 0  # of the choice of faces, and of the noise


def multiply(faces: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Scale gray levels, as too little light does."""
    return _round(faces * np.float32(factor))


def flatten(faces: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Scale gray levels and add 100, as fog and reflections do."""
    return _round(100 + faces * np.float32(factor))


def change_gamma(faces: np.ndarray, gamma: float, rng: np.random.Generator) -> np.ndarray:
    return to_uint8((faces / np.float32(255)) ** np.float32(gamma))


def add_noise(faces: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise; `sigma` in gray levels."""
    return _round(faces + np.float32(sigma) * rng.standard_normal(faces.shape, np.float32))


def compress(faces: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """Compress each face as JPEG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    encoded = [cv2.imencode(".jpg", face, options)[1] for face in faces]
    return np.stack([cv2.imdecode(file, cv2.IMREAD_GRAYSCALE) for file in encoded])[..., np.newaxis]


def blur(faces: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Blur each face by a Gaussian; `radius` is its standard deviation in pixels, as in Pillow."""
    blurred = [cv2.GaussianBlur(face, (0, 0), radius, borderType=cv2.BORDER_REPLICATE) for face in faces]
    return np.stack(blurred)[..., np.newaxis]


CORRUPTIONS: dict[str, tuple[Corruption, tuple[float, ...]]] = {
    "low light, pixels times": (multiply, (0.5, 0.3, 0.2, 0.1, 0.05)),
    "low contrast, 100 + pixels times": (flatten, (0.5, 0.4, 0.3, 0.2, 0.1)),
    "brighter, gamma": (change_gamma, (0.8, 0.65, 0.5, 0.4, 0.3)),
    "darker, gamma": (change_gamma, (1.25, 1.5, 2, 2.5, 3)),
    "noise, sigma": (add_noise, (5, 10, 15, 20, 30)),
    "JPEG, quality": (compress, (70, 50, 30, 20, 10)),
    "blur, radius": (blur, (0.5, 1, 1.5, 2, 3)),
}


def main(settings: Settings) -> None:
    faces, labels, kind = load_faces(ArtifactStore(), settings)
    predictors = load_predictors(settings)
    print(f"{len(faces):,} validation faces, accuracy by {kind}\n")
    print(
        "| corruption | strength | " + " | ".join(predictors) + " |\n" + "|---" * (len(predictors) + 2) + "|"
    )
    rows = [("none", "", faces)]
    rng = np.random.default_rng(settings.seed)
    for name, (corrupt, strengths) in CORRUPTIONS.items():
        rows += [(name, f"{strength:g}", corrupt(faces, strength, rng)) for strength in strengths]
    for name, strength, corrupted in tqdm(rows, desc="  corruptions", delay=1, leave=False, disable=None):
        pixels = stretch_contrast(corrupted)
        accuracies = [(predict(pixels).argmax(axis=1) == labels).mean() for predict in predictors.values()]
        cells = [name, strength, *(f"{accuracy:.1%}" for accuracy in accuracies)]
        tqdm.write("| " + " | ".join(cells) + " |")


def load_faces(store: ArtifactStore, settings: Settings) -> tuple[np.ndarray, np.ndarray, str]:
    """Return faces (N, 48, 48, 1) uint8 of the validation split, their classes (N,), and what decides these."""
    truth = store.read("ground_truth")["val"]
    has_votes = len(truth["majority"]) > 0
    labels = truth["majority"] if has_votes else truth["label"]
    rows = np.flatnonzero(labels != NO_MAJORITY) if has_votes else np.arange(len(labels))
    rows = np.random.default_rng(settings.seed).permutation(rows)[: settings.faces]
    kind = "the voters' majority" if has_votes else "label"
    return to_uint8(store.read("val_x")[rows]), labels[rows], kind


def load_predictors(settings: Settings) -> dict[str, PredictFunction]:
    names = settings.models or sorted(path.stem for path in model_zoo.MODELS_DIR.glob("*.tflite"))
    predictors: dict[str, PredictFunction] = {
        name: EmotionClassifier(model_zoo.MODELS_DIR / f"{name}.tflite").predict_proba for name in names
    }
    for path in map(Path, settings.peers):
        predict = load_peer(path)
        predictors[path.name] = lambda faces, predict=predict: predict(to_peer_input(faces))
    return predictors


def _round(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


if __name__ == "__main__":
    run_benchmark(main, Settings)
