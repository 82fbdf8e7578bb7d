"""Check the figures of the report against predictions computed by hand."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS
from pipeline.reporting import charts, html_report, report_data, report_figures
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
    rows = report_figures.build_confusion_rows(report_figures.read_test_predictions(store))
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


def test_suspect_labels_are_a_section_only_where_they_were_searched(store, tmp_path, monkeypatch):
    monkeypatch.setattr(html_report, "ArtifactStore", lambda **_: ArtifactStore(tmp_path, "report.html"))
    monkeypatch.setattr(html_report, "REPORT_PATH", tmp_path / "report.html")
    assert report_figures.build_suspects(store) is None
    assert "suspects.csv" not in html_report.write_report().read_text(encoding="utf-8")
    facts = {"origin": "train/<x>.png", "label": "Sad", "suggested": "Fear", "score": -0.83}
    facts |= {"label_probability": 0.05, "suggested_probability": 0.88}
    facts |= {"voters_majority": "Fear", "voters_share": 0.9}
    summary = {"by": "network", "method": "5 trainings of LeNet-5", "faces": 900, "found": 90, "listed": 45}
    voters = {"listed": 0.715, "all": 0.342}
    store.write(
        suspects=summary | {"voters": voters, "rows": [facts], "pixels": np.zeros((1, 48, 48), np.uint8)}
    )
    page = html_report.write_report().read_text(encoding="utf-8")
    for text in (
        "90 of 900",
        "first 45",
        "71.5%",
        "34.2%",
        "train/&lt;x&gt;.png",
        "Sad 5%",
        "Fear 88%",
        "-0.83",
    ):
        assert text in page, text


def test_the_embedding_has_a_point_with_its_face_for_each_test_face(store):
    assert report_figures.build_features(store) is None
    store.read("test_x")
    store.write(
        embedding={
            "network": "LeNet-5",
            "emotions": EMOTIONS,
            "rows": np.array([1, 3]),
            "labels": np.array([3, 0], np.uint8),
            "predicted": np.array([3, 4]),
            "confidence": np.array([0.91, 0.4], np.float32),
            "positions": np.array([[-20, 5], [30, -10]], np.float32),
            "test_faces": 4,
        }
    )
    features = report_figures.build_features(store)
    (wrong,), (correct,) = features["points"][0], features["points"][3]
    assert (correct["text"], correct["is_wrong"]) == ("Happy, predicted as Happy, 91%", False)
    assert (wrong["text"], wrong["is_wrong"]) == ("Angry, predicted as Sad, 40%", True)
    assert correct["x"] < wrong["x"] and correct["y"] < wrong["y"], "y grows downwards"
    assert (wrong["x"] - correct["x"]) / (wrong["y"] - correct["y"]) == pytest.approx(50 / 15, rel=0.01)
    with Image.open(io.BytesIO(base64.b64decode(features["sheet"].partition(",")[2]))) as sheet:
        for point, gray in ((correct, 85), (wrong, 255)):  # rows 1 and 3 of test_x
            x, y = point["thumbnail"]
            assert abs(sheet.getpixel((x + 16, y + 16)) - gray) <= 2
    ArtifactStore(store.folder, "Performance.py").write(test_x=np.zeros((4, 48, 48, 1), np.float32))
    with pytest.raises(ValueError, match="stale"):
        report_figures.build_features(store)


def test_reliability_bins_of_the_test_split(store):
    bins = report_figures.build_reliability_bins(store)
    assert [(b["faces"], b["accuracy"]) for b in bins] == [(1, 1.0), (1, 0.0), (1, 0.0), (1, 1.0)]


def test_reliability_bins_have_the_interval_of_their_accuracy_and_a_size(store):
    bins = report_figures.build_reliability_bins(store)
    assert [(round(b["low"], 3), b["high"]) for b in bins if b["accuracy"] == 1] == [(0.207, 1.0)] * 2
    assert {b["radius"] for b in bins} == {report_figures.MAX_RADIUS}, "all have one face"


def test_the_faces_of_a_cell_are_the_most_confident_ones_in_the_order_of_the_sheet(store, monkeypatch):
    monkeypatch.setattr(report_figures, "MAX_CELL_FACES", 1)
    matrix = report_figures.build_confusion(store)
    assert matrix["faces"] == {"0-0": [[0, 0.9]], "0-1": [[1, 0.8]]}
    data = base64.b64decode(matrix["sheet"].partition(",")[2])
    with Image.open(io.BytesIO(data)) as sheet:
        assert sheet.size == (48 * matrix["columns"], 48)
        grays = [sheet.getpixel((24 + 48 * column, 24)) for column in range(3)]
    assert grays == pytest.approx([0, 170, 0], abs=3)  # rows 0 and 2 of the faces, then nothing


def test_learning_curves_mark_the_best_epoch(tmp_path):
    store = ArtifactStore(tmp_path, "Compiling_model.py")
    values = {
        "accuracy": [0.2, 0.4, 0.6],
        "val_accuracy": [0.2, 0.5, 0.4],
        "loss": [3, 2, 1],
        "val_loss": [3, 2, 2.5],
    }
    store.write(history=values)
    accuracy, loss = report_figures.build_learning_curves(store)
    assert accuracy["mark"]["x"] == (charts.LEFT + charts.RIGHT) / 2 and "epoch 2" in loss["mark"]["text"]
    assert accuracy["tips"][1]["text"] == "epoch 2: train 40.0%, validation 50.0%"


def test_runs_are_numbered_and_formatted_newest_first(monkeypatch):
    empty = dict.fromkeys(report_data.run_log.COLUMNS, "")
    runs = [
        empty | {"network": "Small", "parameters": "1000", "test_accuracy": "0.5"},
        empty | {"network": "Large", "parameters": "100000", "test_accuracy": "0.7", "seconds": "125.4"},
        empty | {"network": "Not evaluated", "parameters": "100", "seconds": "torn"},
    ]
    monkeypatch.setattr(report_data.run_log, "read_runs", lambda: runs)
    log = report_data.collect_runs()
    assert [run["number"] for run in log["runs"]] == [3, 2, 1]
    newest, second, _ = log["runs"]
    assert (second["test_accuracy"], second["parameters"], second["seconds"]) == (
        "70.00%",
        "100,000",
        "2:05 min",
    )
    assert (newest["test_accuracy"], newest["seconds"]) == ("", "torn")
    assert [dot["is_current"] for dot in log["chart"]["dots"]] == [False, True]


def test_a_single_run_has_no_scatter_chart(monkeypatch):
    run = dict.fromkeys(report_data.run_log.COLUMNS, "") | {"parameters": "1000", "test_accuracy": "0.5"}
    monkeypatch.setattr(report_data.run_log, "read_runs", lambda: [run])
    assert report_data.collect_runs()["chart"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (125.4, "2:05 min"), (3599.6, "1:00 h"), (7380, "2:03 h")],
)
def test_durations(seconds, text):
    assert report_data.format_duration(seconds) == text


def test_without_runs_the_log_is_missing(monkeypatch):
    monkeypatch.setattr(report_data.run_log, "read_runs", list)
    with pytest.raises(FileNotFoundError):
        report_data.collect_runs()
