"""Measure the face detector and the face crop: FER2013's faces pasted into scenes, compared with the originals.

The faces are pasted at several sizes, upright and rotated, on textures and photographs of scikit-image. Columns: recall
of the detector, its false positives, accuracy of the classifier on the original of each detected face and on its crop,
and their difference in percentage points with its 95% interval. Steps 2 and 6 must have run.
Run:    python3 -m pip install scikit-image
        python3 benchmarks/faces.py                      (validation faces, models/Strong.tflite)
        python3 benchmarks/faces.py --split test --faces 600
        python3 benchmarks/faces.py --compare-crops      (other scales of the crop, other roll thresholds)
Expect: four minutes for each line of a thousand faces.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import run_benchmark

import cv2
import numpy as np
from skimage import data as skimage_data

from pipeline.data.fer2013 import SIDE
from pipeline.data.pixels import to_uint8
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.face import Face
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import FaceDetector
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import DATA

SCENE_HEIGHT, SCENE_WIDTH = 720, 960  # pixels
ARTIFACT_PREFIXES = {"validation": "val", "test": "test"}
CROP_VARIANTS: dict[str, dict[str, float]] = {
    **{f"scale {scale}": {"scale": scale} for scale in (0.8, 0.85, 0.9, 0.97, 1.05)},
    **{f"roll threshold {degrees}°": {"roll_threshold": degrees} for degrees in (0, 10, 20, 181)},
}


@dataclass
class Settings:
    model: str = str(model_zoo.MODELS_DIR / "Strong.tflite")  # the classifier
    tta: int = 2  # views of each face to average over, as in Classification.py

    data: str = str(DATA)  # the artifact store with the faces
    split: Literal["validation", "test"] = "validation"  # validation to choose settings, test to report
    faces: int = 300  # pasted at each size
    sizes: tuple[int, ...] = (30, 45, 60, 90, 150, 300)  # pixels: side of a pasted face
    rolls: tuple[int, ...] = (0, 15)  # degrees: largest rotation of a pasted face, either way

    compare_crops: bool = False  # True: evaluate several variants of the crop
    seed: int = 0  # of the choice of faces


def main(settings: Settings) -> None:
    classifier = EmotionClassifier(settings.model)
    originals, labels = load_faces(settings)
    correct = is_correct(classifier, originals, labels, settings.tta)
    variants = CROP_VARIANTS if settings.compare_crops else {"": {}}
    print(
        f"{len(labels)} {settings.split} faces; accuracy of the classifier on the originals {correct.mean():.1%}"
    )
    print("size roll  recall  false positives   originals   crops   difference (95% interval)")
    for size in settings.sizes:
        for roll in settings.rolls:
            detected, n_false_positives, crops = paste_and_detect(originals, size, roll, variants)
            for variant, faces in crops.items():
                crop_correct = is_correct(classifier, faces, labels[detected], settings.tta)
                print(
                    f"{size:4} {roll:4}  {detected.mean():6.1%} {n_false_positives:16}   "
                    f"{compare(correct[detected], crop_correct)}  {variant}",
                    flush=True,
                )


def load_faces(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return randomly chosen faces (N, 48, 48) uint8 of a split, and their labels (N,)."""
    store, prefix = ArtifactStore(Path(settings.data)), ARTIFACT_PREFIXES[settings.split]
    faces, labels = store.read(f"{prefix}_x")[..., 0], store.read(f"{prefix}_y").argmax(axis=1)
    chosen = np.random.default_rng(settings.seed).permutation(len(labels))[: settings.faces]
    return to_uint8(faces[chosen]), labels[chosen]


def is_correct(classifier: EmotionClassifier, faces: np.ndarray, labels: np.ndarray, tta: int) -> np.ndarray:
    """Return whether the prediction of each face (N, 48, 48) uint8 is correct, (N,) bool."""
    return classifier.predict_proba(faces, tta).argmax(axis=1) == labels


def compare(original_correct: np.ndarray, crop_correct: np.ndarray) -> str:
    """Format the accuracies on originals and crops, and their paired difference with its 95% interval."""
    differences = crop_correct.astype(float) - original_correct
    mean, margin = differences.mean(), 1.96 * differences.std() / np.sqrt(len(differences))
    return (
        f"{original_correct.mean():9.1%}  {crop_correct.mean():6.1%}   "
        f"{100 * mean:+5.1f} ({100 * (mean - margin):+5.1f} to {100 * (mean + margin):+5.1f})"
    )


def paste_and_detect(
    originals: np.ndarray, size: int, roll: int, variants: dict[str, dict[str, float]]
) -> tuple[np.ndarray, int, dict[str, np.ndarray]]:
    """Paste all faces into scenes and detect them there.

    Returns:
        Whether each face is detected (N,) bool, the number of false positives, and for each variant of the crop the
        crops of the detected faces (M, 48, 48) uint8.
    """
    detector, rng = FaceDetector(), np.random.default_rng(size + roll)
    backgrounds = generate_backgrounds()
    detected = np.zeros(len(originals), bool)
    crops: dict[str, list[np.ndarray]] = {variant: [] for variant in variants}
    n_false_positives = start = 0
    while start < len(originals):
        scene = next(backgrounds)
        centers = paste_grid(scene, originals[start:], size, roll, rng)
        faces = detector.detect(scene)
        matched_faces = set()
        for index, center in enumerate(centers, start):
            face = next((face for face in faces if is_match(face, center, size)), None)
            if face:
                detected[index] = True
                matched_faces.add(face)
                for variant, options in variants.items():
                    crops[variant].append(crop_face(scene, face, **options))
        n_false_positives += len(faces) - len(matched_faces)
        start += len(centers)
    arrays = {variant: np.array(faces).reshape(-1, SIDE, SIDE) for variant, faces in crops.items()}
    return detected, n_false_positives, arrays


def is_match(face: Face, center: tuple[float, float], size: int) -> bool:
    """Return whether a detected face is the one of this size that was pasted there."""
    return bool(np.hypot(*np.subtract(face.center, center)) < size / 2 and 0.5 < face.size / size < 2)


def generate_backgrounds() -> Iterator[np.ndarray]:
    """Yield images (SCENE_HEIGHT, SCENE_WIDTH, 3) uint8 without faces, in an endless cycle."""
    while True:
        for name in ("brick", "grass", "coffee", "gravel", "rocket"):
            image: Any = getattr(skimage_data, name)()
            rgb = image if image.ndim == 3 else np.repeat(image[..., np.newaxis], 3, axis=2)
            repeats = -(-SCENE_HEIGHT // rgb.shape[0]), -(-SCENE_WIDTH // rgb.shape[1]), 1
            yield np.tile(rgb, repeats)[:SCENE_HEIGHT, :SCENE_WIDTH].copy()


def paste_grid(
    scene: np.ndarray, faces: np.ndarray, size: int, roll: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Paste as many faces as fit into a scene, in place; return their centers (x, y)."""
    cell = round(1.4 * size) + 4
    n_columns, n_rows = SCENE_WIDTH // cell, SCENE_HEIGHT // cell
    centers = []
    for index, face in enumerate(faces[: n_columns * n_rows]):
        center = (index % n_columns + 0.5) * cell, (index // n_columns + 0.5) * cell
        paste(scene, face, center, size, rng.uniform(-roll, roll))
        centers.append(center)
    return centers


def paste(scene: np.ndarray, face: np.ndarray, center: tuple[float, float], size: int, roll: float) -> None:
    """Paste a grayscale face into a scene, resized to `size` pixels and rotated clockwise by `roll` degrees."""
    interpolation = cv2.INTER_AREA if size < SIDE else cv2.INTER_CUBIC
    resized = cv2.resize(face, (size, size), interpolation=interpolation)
    matrix = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), -roll, 1)
    matrix[:, 2] += np.subtract(center, size / 2)
    scene_size = scene.shape[1::-1]
    warped = cv2.warpAffine(resized, matrix, scene_size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(np.full_like(resized, 255), matrix, scene_size, flags=cv2.INTER_LINEAR) > 127
    scene[mask] = warped[mask, np.newaxis]


if __name__ == "__main__":
    run_benchmark(main, Settings)
