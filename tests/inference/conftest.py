"""Provide a shipped model in every export format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.pixels import to_float
from pipeline.data.synthetic_faces import draw_faces
from pipeline.evaluation.predict import predict_proba
from pipeline.inference import export
from pipeline.models import model_zoo, serialization
from pipeline.models.backend import keras


@dataclass
class Exported:
    """A network, faces with its predictions, and its files in every format."""

    folder: Path
    model: keras.Model
    faces: np.ndarray  # (N, 48, 48, 1) uint8
    probabilities: np.ndarray  # (N, 7)
    measurements: dict[str, dict]  # format -> result of export_checked

    @property
    def labels(self) -> np.ndarray:
        """Labels (N,) on which the network has an accuracy of 1."""
        return self.probabilities.argmax(axis=1)

    def path(self, format_name: str) -> Path:
        return self.folder / f"model{export.FORMATS[format_name].suffix}"


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Exported:
    """LeNet-5_baseline in every format."""
    model = serialization.load_model(model_zoo.MODELS_DIR / "LeNet-5_baseline.keras")
    faces = draw_faces(np.arange(len(EMOTIONS)).repeat(60), seed=1)[..., np.newaxis]
    probabilities = predict_proba(model, to_float(faces))
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    is_clear = first - second > 0.5  # int8 quantization may change the emotion of the other faces
    faces, probabilities = faces[is_clear], probabilities[is_clear]
    exported = Exported(tmp_path_factory.mktemp("exported"), model, faces, probabilities, {})
    for name in export.FORMATS:
        exported.measurements[name] = export.export_checked(
            model, name, exported.path(name), faces, exported.labels, probabilities
        )
    return exported
