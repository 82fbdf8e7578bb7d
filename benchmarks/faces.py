"""How well faces are found and cut out: test faces pasted into larger scenes, against the same faces as they are.

Faces of FER2013 are pasted at several sizes, upright and tilted, on textures and photographs of scikit-image. For
each size it says which share is found, what is found besides, and how often a network is right on the crops of
those that were found and on the originals of the same faces.
Run:    python -m pip install scikit-image
        python benchmarks/faces.py                      (validation faces, models/Strong.tflite)
        python benchmarks/faces.py --split test --faces 600
        python benchmarks/faces.py --ways               (other frames, turned upright or not)
Needs what steps 2 and 6 leave in data/. Four minutes for each line of a thousand faces.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import tyro
from skimage import data

from pipeline.data.fer2013 import SIDE
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import face_crop, face_detector
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import DATA

HEIGHT, WIDTH = 720, 960  # of a scene


@dataclass
class Settings:
    model: str = str(model_zoo.MODELS_DIR / "Strong.tflite")  # the network that recognizes the emotions
    data: str = str(DATA)  # the cache with the faces
    split: str = "validation"  # whose faces: validation, to choose by; test, to report
    faces: int = 300  # pasted at each size
    sizes: tuple[int, ...] = (30, 45, 60, 90, 150, 300)  # pixels in height and width of a pasted face
    rolls: tuple[int, ...] = (0, 15)  # degrees up to which they are tilted, either way
    tta: int = 2  # of each face, found or original, as Classification.py has them
    ways: bool = False  # True: compare ways to cut out
    seed: int = 0  # of the choice of faces


WAYS = {f"frame {frame}": {"frame": frame} for frame in (0.8, 0.85, 0.9, 0.97, 1.05)}
WAYS |= {f"turned from {least} degrees": {"straighten_from": least} for least in (0, 10, 20, 181)}


def main(settings: Settings) -> None:
    classifier = EmotionClassifier(settings.model)
    prefix = {"validation": "val", "test": "test"}[settings.split]
    store = ArtifactStore(Path(settings.data))
    originals, labels = store.read(f"{prefix}_x")[..., 0], store.read(f"{prefix}_y").argmax(axis=1)
    chosen = np.random.default_rng(settings.seed).permutation(len(labels))[: settings.faces]
    originals, labels = np.rint(originals[chosen] * 255).astype(np.uint8), labels[chosen]
    right = recognized(classifier, originals, labels, settings.tta)
    ways = WAYS if settings.ways else {"": {}}
    print(
        f"{len(labels)} {settings.split} faces; the network is right on {right.mean():.1%} of the originals"
    )
    print("size tilt   found  besides   originals   crops   difference (95% interval)")
    for size in settings.sizes:
        for roll in settings.rolls:
            found, besides, crops = paste_and_find(originals, size, roll, ways)
            for way, cut_out in crops.items():
                right_now = recognized(classifier, cut_out, labels[found], settings.tta)
                differences = right_now.astype(float) - right[found]
                mean, doubt = differences.mean(), 1.96 * differences.std() / np.sqrt(len(differences))
                print(
                    f"{size:4} {roll:4}  {found.mean():6.1%} {besides:8}   {right[found].mean():9.1%}  "
                    f"{right_now.mean():6.1%}   {100 * mean:+5.1f} ({100 * (mean - doubt):+5.1f} to "
                    f"{100 * (mean + doubt):+5.1f})  {way}",
                    flush=True,
                )


def recognized(classifier: EmotionClassifier, crops: np.ndarray, labels: np.ndarray, tta: int) -> np.ndarray:
    """Whether the network is right on each of the faces (N, 48, 48) uint8."""
    return classifier.predict_proba(crops, tta).argmax(axis=1) == labels


def paste_and_find(
    originals: np.ndarray, size: int, roll: int, ways: dict[str, dict]
) -> tuple[np.ndarray, int, dict]:
    """Which of the faces are found, how many boxes are of none of them, and the crops of those found, per way."""
    detector, rng = face_detector.FaceDetector(), np.random.default_rng(size + roll)
    backgrounds = scenes()
    found, besides, crops = np.zeros(len(originals), bool), 0, {way: [] for way in ways}
    start = 0
    while start < len(originals):
        scene, centers = collage(originals[start:], size, roll, next(backgrounds), rng)
        boxes = detector.detect(scene)
        of_faces = set()
        for number, center in enumerate(centers, start):
            near = [box for box in boxes if is_of(box, center, size)]
            if near:
                found[number] = True
                of_faces.add(near[0])
                for way, options in ways.items():
                    crops[way].append(face_crop.crop_face(scene, near[0], **options))
        besides += len(boxes) - len(of_faces)
        start += len(centers)
    return found, besides, {way: np.array(of_way).reshape(-1, SIDE, SIDE) for way, of_way in crops.items()}


def is_of(face: face_detector.Face, center: tuple[float, float], size: int) -> bool:
    """Whether a found face is the one of that size that was pasted there."""
    return np.hypot(*np.subtract(face.center, center)) < size / 2 and 0.5 < face.size / size < 2


def scenes():
    """Backgrounds (HEIGHT, WIDTH, 3) uint8, over and over; none of them shows a face."""
    while True:
        for picture in (data.brick(), data.grass(), data.coffee(), data.gravel(), data.rocket()):
            color = picture if picture.ndim == 3 else np.repeat(picture[..., np.newaxis], 3, axis=2)
            repeats = -(-HEIGHT // color.shape[0]), -(-WIDTH // color.shape[1]), 1
            yield np.tile(color, repeats)[:HEIGHT, :WIDTH].copy()


def collage(originals: np.ndarray, size: int, roll: int, scene: np.ndarray, rng: np.random.Generator):
    """A scene with as many faces pasted on it as it has room for, and their centers."""
    cell = round(1.4 * size) + 4
    columns, rows = WIDTH // cell, HEIGHT // cell
    centers = []
    for number, face in enumerate(originals[: columns * rows]):
        center = (number % columns + 0.5) * cell, (number // columns + 0.5) * cell
        paste(scene, face, center, size, rng.uniform(-roll, roll))
        centers.append(center)
    return scene, centers


def paste(scene: np.ndarray, face: np.ndarray, center: tuple[float, float], size: int, roll: float) -> None:
    way = cv2.INTER_AREA if size < SIDE else cv2.INTER_CUBIC
    larger = cv2.resize(face, (size, size), interpolation=way)
    matrix = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), -roll, 1)
    matrix[:, 2] += np.subtract(center, size / 2)
    across = scene.shape[1::-1]
    pasted = cv2.warpAffine(larger, matrix, across, flags=cv2.INTER_LINEAR)
    covered = cv2.warpAffine(np.full_like(larger, 255), matrix, across, flags=cv2.INTER_LINEAR) > 127
    scene[covered] = pasted[covered, np.newaxis]


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
