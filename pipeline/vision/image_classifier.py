"""Classify the faces of one image file, and write its annotated copy."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.workflow.errors import find_machine_error

import numpy as np
from PIL import Image

from pipeline.data.image_io import read_face, read_image
from pipeline.data.pixels import has_contrast, stretch_contrast
from pipeline.vision.annotate import annotated_copy
from pipeline.vision.explanation import explain_crop, explain_image
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import MIN_FACE_SIDE, SCORE_THRESHOLD, FaceDetector
from pipeline.vision.recognition import Classifier, recognize_faces
from pipeline.vision.results_log import crop_row, flat_row, to_rows
from pipeline.vision.results_table import Row
from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.formatting import printable

FaceSource = Literal["detect", "crop"]


@dataclass(frozen=True)
class ClassifiedImage:
    """What was found in an image file.

    Attributes:
        rows: one for each face, or one whose note says that there is none.
        has_copy: whether an annotated copy was written.
        faces: crop (48, 48) uint8 and probabilities (K,) float32 of each face that has an answer.
    """

    rows: list[Row]
    has_copy: bool
    faces: list[tuple[np.ndarray, np.ndarray]]


class ImageClassifier:
    """Classify image files, one after the other. Not thread-safe.

    Args:
        classifier: predicts the emotions of cropped faces.
        faces: detect the faces in each image, or take each image as one tightly cropped face.
        tta: views of each face to average over (test-time augmentation).
        min_score: of a face, 0 to 1, and min_size: of its longer side, in pixels of the file.

    Raises:
        ImportError: no face detector is installed.
    """

    def __init__(
        self,
        classifier: Classifier,
        faces: FaceSource = "detect",
        tta: int = 2,
        min_score: float = SCORE_THRESHOLD,
        min_size: float = MIN_FACE_SIDE,
    ):
        self.classifier, self.tta = classifier, tta
        self.detector = FaceDetector(min_score=min_score, min_size=min_size) if faces == "detect" else None

    def classify(
        self, path: Path, copy_path: Path | None = None, explanation_path: Path | None = None
    ) -> ClassifiedImage:
        """Classify the faces of a file; if it has any, write a copy on which they are marked, and explain them.

        Args:
            copy_path: None writes no copy.
            explanation_path: of an image with the saliency maps of the largest faces; None writes none.

        Raises:
            ValueError: the file cannot be read.
            OSError: the disk is full.
        """
        if self.detector is None:
            face = read_face(path)
            answers = classify_crops(path, face.pixels[np.newaxis], self.classifier, self.tta, face.notes)
            ((row, probabilities),) = answers
            faces = [] if probabilities is None else [(face.pixels, probabilities)]
            if probabilities is not None and explanation_path:
                explanation = explain_crop(face.pixels, probabilities, self.classifier, self.tta)
                if notes := save_copy(explanation, explanation_path):
                    row["note"] = "; ".join((*face.notes, *notes))
            return ClassifiedImage([row], False, faces)
        image = read_image(path)
        predictions = recognize_faces(
            image.pixels, self.detector, self.classifier, self.tta, max(image.scale)
        )
        faces = [(crop_face(image.pixels, p.face), p.probabilities) for p in predictions]
        notes, has_copy = image.notes, False
        if predictions and explanation_path:
            explanation = explain_image(image.pixels, predictions, self.classifier, self.tta)
            notes += save_copy(explanation, explanation_path)
        predictions = [prediction.scaled(*image.scale) for prediction in predictions]
        if predictions and copy_path:
            copy_notes = save_copy(annotated_copy(image, predictions), copy_path)
            notes, has_copy = notes + copy_notes, not copy_notes
        return ClassifiedImage(to_rows(printable(path), predictions, notes=notes), has_copy, faces)


def classify_crops(
    path: Path, crops: np.ndarray, classifier: Classifier, tta: int, notes: tuple[str, ...] = ()
) -> Iterator[tuple[Row, np.ndarray | None]]:
    """Yield the row and the probabilities (K,) of each cropped face (N, 48, 48) uint8; None if it has no contrast."""
    all_probabilities = classifier.predict_proba(stretch_contrast(crops), tta)
    answers = zip(all_probabilities, has_contrast(crops), strict=True)
    for index, (probabilities, is_answerable) in enumerate(answers, start=1):
        if is_answerable:
            yield crop_row(printable(path), index, probabilities, notes, classifier.emotions), probabilities
        else:
            yield flat_row(printable(path), index), None


def save_copy(image: np.ndarray, path: Path) -> tuple[str, ...]:
    """Save an annotated copy, (height, width, 3) uint8 RGB, atomically.

    Returns:
        A note if it cannot be written.

    Raises:
        OSError: the disk is full.
    """
    try:
        with atomic_write(path, remove_leftovers=False) as temporary:
            Image.fromarray(image).save(temporary)
    except (OSError, ValueError) as error:  # ValueError: too large for the format
        return (describe_copy_error(error),)
    return ()


def describe_copy_error(error: Exception) -> str:
    """Return the note on a copy that could not be written; raise an error of disk or memory, which ends the run."""
    if find_machine_error(error):
        raise error
    return f"no annotated copy ({getattr(error, 'strerror', None) or error})"
