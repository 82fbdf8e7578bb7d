"""Measure whether saliency maps show the pixels that a prediction depends on: the deletion test.

The most salient pixels of a face are replaced by its mean gray level, and the probability of the predicted emotion is
compared with that after replacing as many pixels at random, and after replacing those that are salient in another,
randomly chosen face: a map that knows only that faces are in the middle is no better than the latter. V. Petsiuk et
al., "RISE", BMVC 2018. Validation faces; step 6 must have run.
Run:    python3 benchmarks/saliency.py
        python3 benchmarks/saliency.py --models Compact_votes --windows 8 12 16
Expect: some minutes, nearly all of them for occlusion sensitivity.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import run_benchmark

import numpy as np

from pipeline.data.pixels import to_float, to_uint8
from pipeline.evaluation.saliency import STRIDE, WINDOW, occlusion_sensitivity
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import PositiveInt, Seed, UnitInterval

MODELS = ("LeNet-5_baseline", "LeNet-5_votes", "Compact_votes")


@dataclass
class Settings:
    models: tuple[str, ...] = MODELS  # in models/, each as .keras and .tflite
    faces: PositiveInt = 500  # validation faces, chosen at random
    share: UnitInterval = 0.2  # of the pixels to replace
    windows: tuple[PositiveInt, ...] = (WINDOW,)  # pixels: sides of the square that hides a part of the face
    stride: PositiveInt = STRIDE  # pixels between its positions
    seed: Seed = 0  # of the choice of faces, of random pixels and of other faces


def main(settings: Settings) -> None:
    val_x = ArtifactStore().read("val_x")
    rng = np.random.default_rng(settings.seed)
    faces = to_uint8(val_x[rng.permutation(len(val_x))[: settings.faces], :, :, 0])
    print(
        f"{len(faces):,} validation faces, {settings.share:.0%} of the pixels replaced by the mean gray level"
    )
    print("mean fall of the probability in percentage points, with its standard error\n")
    print(
        "| network | map | salient | random pixels | salient in another face | least salient | ms per map |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in settings.models:
        classifier = EmotionClassifier(model_zoo.MODELS_DIR / f"{name}.tflite")
        probabilities = classifier.predict_proba(faces)
        for method, maps, seconds in compute_maps(
            name, classifier, faces, probabilities.argmax(axis=1), settings
        ):
            orders = list_orders(maps, rng)
            falls = [
                measure_fall(classifier, faces, probabilities, order, settings.share) for order in orders
            ]
            cells = [f"{100 * fall.mean():.1f} ± {100 * fall.std() / len(fall) ** 0.5:.1f}" for fall in falls]
            print(
                "| " + " | ".join([name, method, *cells, f"{1000 * seconds / len(faces):.1f}"]) + " |",
                flush=True,
            )


def compute_maps(
    name: str, classifier: EmotionClassifier, faces: np.ndarray, classes: np.ndarray, settings: Settings
):
    """Yield the name of each method, its maps (N, 48, 48), and the seconds that they took."""
    from pipeline.evaluation.grad_cam import grad_cam
    from pipeline.models import serialization

    network = serialization.load_model(model_zoo.MODELS_DIR / f"{name}.keras")
    grad_cam(network, to_float(faces[:1, :, :, np.newaxis]), classes[:1])  # the first call is slower
    for method, pooled in (("Grad-CAM, mean gradient", True), ("Grad-CAM, gradient of each pixel", False)):
        start = time.perf_counter()
        maps = grad_cam(network, to_float(faces[..., np.newaxis]), classes, pooled)
        yield method, maps, time.perf_counter() - start
    for window in settings.windows:
        start = time.perf_counter()
        maps = occlusion_sensitivity(classifier.predict_proba, faces, classes, window, settings.stride)
        yield f"occlusion, {window} px every {settings.stride}", maps, time.perf_counter() - start


def list_orders(maps: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return four orders of the pixels of each face, (N, 2304), the first to be replaced first."""
    values = maps.reshape(len(maps), -1)
    values = values + 1e-9 * rng.random(values.shape)  # equal values, such as zeros, in random order
    salient = (-values).argsort(axis=1)
    return [salient, rng.random(values.shape).argsort(axis=1), np.roll(salient, 1, axis=0), salient[:, ::-1]]


def measure_fall(
    classifier: EmotionClassifier,
    faces: np.ndarray,
    probabilities: np.ndarray,
    order: np.ndarray,
    share: float,
) -> np.ndarray:
    """Return by how much the probability of each face's predicted emotion falls, (N,)."""
    masked = faces.reshape(len(faces), -1).copy()
    gray = np.rint(faces.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)[:, 0]
    np.put_along_axis(masked, order[:, : round(share * masked.shape[1])], gray, axis=1)
    rows, classes = np.arange(len(faces)), probabilities.argmax(axis=1)
    after = classifier.predict_proba(masked.reshape(faces.shape))
    return probabilities[rows, classes] - after[rows, classes]


if __name__ == "__main__":
    run_benchmark(main, Settings)
