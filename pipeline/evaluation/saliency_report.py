"""Explain predictions of the test split in step 12: saliency maps of single faces, and their mean for each emotion."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.data.pixels import to_float, to_uint8
from pipeline.evaluation.grad_cam import grad_cam
from pipeline.evaluation.metrics import Predictions
from pipeline.evaluation.predict import predict_proba
from pipeline.evaluation.saliency import MeanMap, average_by_emotion, occlusion_sensitivity, scale_to_unit
from pipeline.figures import plots, saliency_plots
from pipeline.figures.formats import FigureFormats
from pipeline.models import serialization
from pipeline.models.backend import keras
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.results_index import record_network
from pipeline.workflow.steps import RESULTS

MAX_MEAN_FACES = 30  # of each emotion in the mean maps; a face takes Compact 0.1 s, Strong 0.5 s
METHOD = "occlusion sensitivity"  # of the mean maps: see benchmarks/saliency.py

Group = tuple[str, Sequence[int]]  # heading, rows of test faces


def explain_test_split(
    store: ArtifactStore,
    predictions: Predictions,
    faces: np.ndarray,
    groups: Sequence[Group],
    formats: FigureFormats,
    seed: int,
) -> None:
    """Save results/saliency.png, saliency_by_emotion.png and saliency.json.

    Args:
        store: has the trained network.
        predictions: of the test split.
        faces: (N, 48, 48, 1) float32 in [0, 1], the test split.
        groups: faces to explain one by one.
        seed: of the choice of faces for the mean maps.
    """
    network = serialization.unpack(store.read("trained_model"))
    source = store.read("source", track=False)
    rows = [
        (heading, [_explain_face(network, predictions, faces, row) for row in chosen])
        for heading, chosen in groups
    ]
    plots.save_figure(saliency_plots.draw_explained_faces(rows), "saliency", source, formats, store=store)

    means = _average_maps(network, predictions, faces, choose_correct_faces(predictions, seed))
    if not means:
        return
    panels = [saliency_plots.MeanFace(name, m.face, m.saliency, m.n_faces) for name, m in means.items()]
    figure = saliency_plots.draw_mean_maps(panels)
    plots.save_figure(figure, "saliency_by_emotion", source, formats, store=store)
    summary: dict[str, Any] = {
        "data": source["label"],
        "network": network.name,
        "method": METHOD,
        "faces": {name: m.n_faces for name, m in means.items()},
        "relative_saliency": {name: m.region_saliency() for name, m in means.items()},
    }
    with record_network(store, "saliency.json"):
        write_json(RESULTS / "saliency.json", summary)


def choose_correct_faces(predictions: Predictions, seed: int) -> np.ndarray:
    """Return the rows of up to MAX_MEAN_FACES random, correctly predicted faces of each emotion."""
    rng = np.random.default_rng(seed)
    correct = [
        np.flatnonzero(predictions.correct & (predictions.labels == index)) for index in predictions.classes
    ]
    return np.concatenate([rng.permutation(rows)[:MAX_MEAN_FACES] for rows in correct])


def _average_maps(
    network: keras.Model, predictions: Predictions, faces: np.ndarray, rows: np.ndarray
) -> dict[str, MeanMap]:
    maps = np.empty((len(rows), *faces.shape[1:3]), np.float32)
    classes = predictions.labels[rows]
    for index in tqdm(range(len(rows)), desc="  explaining", unit="face", delay=1, leave=False, disable=None):
        maps[index] = _hide_parts(network, faces[rows[index]], classes[index])
    return average_by_emotion(faces[rows, :, :, 0], maps, classes, predictions.emotions)


def _explain_face(
    network: keras.Model, predictions: Predictions, faces: np.ndarray, row: int
) -> saliency_plots.ExplainedFace:
    """Return a face with its maps for the predicted emotion and, if that is wrong, for its label."""
    label, predicted = int(predictions.labels[row]), int(predictions.predicted[row])
    face, emotions = faces[row], predictions.emotions
    maps = {}
    with suppress(ValueError):  # no convolution
        maps[f"{emotions[predicted]}, Grad-CAM"] = grad_cam(network, face[np.newaxis], np.array([predicted]))[
            0
        ]
    for class_id in dict.fromkeys((predicted, label)):
        maps[f"{emotions[class_id]}, occlusion"] = _hide_parts(network, face, class_id)
    scaled = dict(zip(maps, scale_to_unit(np.stack(list(maps.values()))), strict=True))
    return saliency_plots.ExplainedFace(
        face[..., 0], plots.title_of(emotions[label], emotions[predicted]), scaled
    )


def _hide_parts(network: keras.Model, face: np.ndarray, class_id: int) -> np.ndarray:
    """Return the occlusion sensitivity (48, 48) of a face (48, 48, 1) float32 for a class."""

    def predict(copies: np.ndarray) -> np.ndarray:
        return predict_proba(network, to_float(copies[..., np.newaxis]))

    return occlusion_sensitivity(predict, to_uint8(face[np.newaxis, :, :, 0]), np.array([class_id]))[0]
