"""Check the figures of the report against predictions computed by hand."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.reporting import report_data, report_figures
from pipeline.workflow.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    """Four faces of class 0, predicted as 0, 0, 1 and 1 with confidences of 0.9, 0.5, 0.8 and 0.6."""
    probabilities = np.zeros((4, 7), np.float32)
    probabilities[:, 6] = (0.1, 0.5 - 1e-3, 0.2, 0.4)
    probabilities[range(4), (0, 0, 1, 1)] = (0.9, 0.5, 0.8, 0.6)
    faces = np.linspace(0, 1, 4, dtype=np.float32)[:, None, None, None] * np.ones((4, 48, 48, 1), np.float32)
    store = ArtifactStore(tmp_path, "Performance.py")
    test = {"labels": np.zeros(4, np.uint8), "probabilities": probabilities}
    store.write(predictions={"test": test}, test_x=faces)
    return store


def test_confusion_rows_have_counts_shares_and_readable_colors(store):
    rows = report_figures.build_confusion_rows(store)
    assert [row["emotion"] for row in rows][:2] == ["Angry", "Disgust"]
    angry, empty = rows[0]["cells"], rows[1]["cells"]
    assert [cell["count"] for cell in angry] == [2, 2, 0, 0, 0, 0, 0]
    assert angry[0]["share"] == 0.5 and not angry[0]["is_dark"]
    assert empty[0] == {"count": 0, "share": 0.0, "background": "#ffffff", "is_dark": False}


def test_examples_are_sorted_by_confidence(store):
    examples = report_figures.select_examples(store)
    confidences = {group: [max(e["probabilities"]) for e in rows] for group, rows in examples.items()}
    assert confidences == {"Correct": pytest.approx([0.9, 0.5]), "Errors": pytest.approx([0.8, 0.6])}
    assert {(e["label"], e["predicted"]) for e in examples["Errors"]} == {("Angry", "Disgust")}


def test_the_face_of_an_example_is_embedded_as_png(store):
    face = report_figures.select_examples(store)["Errors"][0]["face"]
    prefix, _, data = face.partition(",")
    assert prefix == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (48, 48) and image.getextrema() == (170, 170)  # 2/3 of 255


def test_reliability_bins_of_the_test_split(store):
    bins = report_figures.build_reliability_bins(store)
    assert [(b["faces"], b["accuracy"]) for b in bins] == [(1, 1.0), (1, 0.0), (1, 0.0), (1, 1.0)]


def test_points_of_runs_are_placed_by_the_logarithm_of_their_parameters(monkeypatch):
    runs = [
        {"network": "Small", "parameters": "1000", "test_accuracy": "0.5"},
        {"network": "Medium", "parameters": "10000", "test_accuracy": "0.6"},
        {"network": "Large", "parameters": "100000", "test_accuracy": "0.7"},
        {"network": "Not evaluated", "parameters": "100", "test_accuracy": ""},
    ]
    monkeypatch.setattr(report_data.run_log, "read_runs", lambda: runs)
    log = report_data.collect_runs()
    assert [run["number"] for run in log["runs"]] == [4, 3, 2, 1]
    small, medium, large = (point["x"] for point in log["points"])
    assert 0 < small < medium < large < 1 and medium - small == pytest.approx(large - medium)
    assert [point["accuracy"] for point in log["points"]] == [0.5, 0.6, 0.7]


def test_without_runs_the_log_is_missing(monkeypatch):
    monkeypatch.setattr(report_data.run_log, "read_runs", list)
    with pytest.raises(FileNotFoundError):
        report_data.collect_runs()
