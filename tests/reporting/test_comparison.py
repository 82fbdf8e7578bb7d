"""The comparison of two runs, against values computed by hand or by another library."""

import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from pipeline.data.fer2013 import EMOTIONS
from pipeline.evaluation.metrics import Predictions
from pipeline.reporting import comparison, run_archive, run_log
from pipeline.workflow.artifacts import ArtifactStore


def make_predictions(labels: np.ndarray, predicted: np.ndarray) -> Predictions:
    return Predictions(labels, np.eye(7)[predicted])


def make_run(number: int, predictions: Predictions, **options) -> run_archive.Run:
    history = {
        name: [0.1 * number, 0.2 * number] for name in ("accuracy", "val_accuracy", "loss", "val_loss")
    }
    settings = json.dumps({"training": options.pop("training", {})})
    record = {"network": f"Net {number}", "settings": settings}
    run = {"number": number, "record": record, "history": history, "predictions": predictions, "views": 1}
    return run | {"faces_sha256": "abc"} | options


@pytest.fixture
def pair(rng) -> tuple[Predictions, Predictions]:
    """On 2,000 faces the first is right on half of them, the second on 60%."""
    labels = rng.integers(0, 7, 2000)
    wrong = (labels + rng.integers(1, 7, 2000)) % 7
    first, second = (np.where(rng.random(2000) < share, labels, wrong) for share in (0.5, 0.6))
    return make_predictions(labels, first), make_predictions(labels, second)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 10, 2 / 2**10), (1, 9, 22 / 2**10)],
)
def test_mcnemars_exact_test_is_the_binomial_one_on_the_discordant_faces(only_first, only_second, p_value):
    agreed = [True] * 30 + [False] * 20
    first = np.array([True] * only_first + [False] * only_second + agreed)
    second = np.array([False] * only_first + [True] * only_second + agreed)
    test = comparison.mcnemar_test(first, second)
    assert (test["only_first"], test["only_second"]) == (only_first, only_second)
    assert test["p_value"] == pytest.approx(p_value)
    assert test["is_significant"] == (p_value < 0.05)


def test_metrics_are_those_of_scikit_learn(pair):
    before, after = pair
    rows = {row["name"]: row for row in comparison.compare_metrics(before, after)}
    for predictions, key in ((before, "first"), (after, "second")):
        labels, predicted = predictions.labels, predictions.predicted
        assert rows["accuracy"][key] == pytest.approx(predictions.correct.mean())
        assert rows["mean recall"][key] == pytest.approx(balanced_accuracy_score(labels, predicted))
        assert rows["macro-F1"][key] == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_the_interval_is_paired_and_covers_the_difference(pair):
    before, after = pair
    row = comparison.compare_metrics(before, after)[0]
    assert row["low"] < row["difference"] < row["high"]
    spread = (after.correct.astype(int) - before.correct.astype(int)).std() / len(before) ** 0.5
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * spread, rel=0.1)
    same = comparison.compare_metrics(before, before)
    assert all(r["low"] == r["high"] == 0 and not r["is_significant"] for r in same)


def test_an_emotion_without_faces_does_not_break_the_metrics():
    predictions = make_predictions(np.array([3, 3, 4]), np.array([3, 4, 4]))
    rows = {row["name"]: row for row in comparison.compare_metrics(predictions, predictions)}
    assert rows["mean recall"]["first"] == pytest.approx(0.75) and rows["recall, Disgust"]["first"] == 0


def test_differences_of_the_matrices_are_points_of_each_true_emotion():
    before = make_predictions(np.array([0, 0, 0, 0]), np.array([0, 0, 1, 1]))
    after = make_predictions(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    angry = comparison.build_difference_rows(before, after)[0]["cells"]
    assert [cell["points"] for cell in angry] == [25, -25, 0, 0, 0, 0, 0]
    assert angry[2]["background"] == "#ffffff" and angry[0]["background"] != angry[1]["background"]


def test_runs_on_other_faces_are_refused(pair):
    before, after = pair
    shuffled = make_predictions(after.labels[::-1], after.predicted[::-1])
    for other in (make_run(2, shuffled), make_run(2, after, faces_sha256="def")):
        with pytest.raises(ValueError, match="different test faces"):
            comparison.compare_runs(make_run(1, before), other)


def test_a_comparison_has_settings_curves_metrics_and_a_summary(pair):
    first = make_run(1, pair[0], training={"epochs": 30, "seed": 0})
    second = make_run(2, pair[1], training={"epochs": 50, "seed": 0})
    result = comparison.compare_runs(first, second)
    assert result["settings"] == [("run", "network", "Net 1", "Net 2"), ("training", "epochs", "30", "50")]
    assert len(result["curves"]) == 2 and len(result["curves"][0]["curves"]) == 4
    text = comparison.format_comparison(result)
    assert max(map(len, text.splitlines())) <= 100
    assert "McNemar" in text and "more than chance" in comparison.summarize(result)
    assert max(map(len, text.splitlines()[:-1])) < 100


# --------------------------------------------------------------------------------------------------
# The archive
# --------------------------------------------------------------------------------------------------
@pytest.fixture
def train(tmp_path, monkeypatch, rng):
    """Train, evaluate, log and archive a network with these weights; return the store."""
    monkeypatch.setattr(run_log, "RUN_LOG_PATH", tmp_path / "results" / "runs.csv")
    predictions = {"labels": np.zeros(3, np.uint8), "probabilities": rng.dirichlet([1.0] * 7, 3)}

    def train(weights: str) -> ArtifactStore:
        store = ArtifactStore(tmp_path / "data", "Compiling_model.py", {})
        if not store.has("test_x"):
            store.write(dataset=1)
            store.read("dataset")
            store.write(test_x=1, train_x=1, model=1)
        store = ArtifactStore(tmp_path / "data", "Compiling_model.py", {})
        store.write(trained_model=weights, history={"loss": [1.0]})
        run_log.append_run(store, {"network": "LeNet-5"})
        store = ArtifactStore(tmp_path / "data", "Performance.py", {})
        store.read("trained_model")
        run_archive.archive_run(store, predictions, views=1)
        return store

    return train


def test_an_archived_run_survives_the_next_training(train):
    train("a")
    store = train("b")
    assert run_archive.list_archived(store) == [1, 2]
    run = run_archive.read_run(store, 1)
    assert run["history"] == {"loss": [1.0]} and run["number"] == 1 and len(run["predictions"]) == 3
    assert run["faces_sha256"] == store.entry("dataset")["sha256"]


def test_the_archive_is_bounded(train, monkeypatch, tmp_path):
    monkeypatch.setattr(run_archive, "MAX_RUNS", 2)
    for weights in "abcd":
        store = train(weights)
    assert len(list((tmp_path / "data").glob("run_*.pkl"))) == 2
    assert len(run_archive.list_archived(store)) == 2


@pytest.mark.parametrize("number", [-1, 0, 2, 10**9])
def test_a_run_that_is_not_archived_is_named_with_those_that_are(train, number):
    store = train("a")
    with pytest.raises(ValueError, match=rf"Run {number} .*can be: 1\."):
        run_archive.read_run(store, number)


@pytest.mark.parametrize(
    "emotions", [("A", "B", "C", "D", "E", "F", "G"), EMOTIONS[::-1], (*EMOTIONS, "Contempt")]
)
def test_runs_that_predict_other_emotions_are_not_compared(pair, emotions):
    other = Predictions(pair[1].labels, np.eye(len(emotions))[pair[1].predicted], emotions)
    with pytest.raises(ValueError, match="different emotions"):
        comparison.compare_runs(make_run(1, pair[0]), make_run(2, other))
    assert not comparison.have_equal_faces(make_run(1, pair[0]), make_run(2, other))


def test_runs_of_other_emotions_are_compared_by_their_names(rng):
    labels = rng.integers(0, 3, 60)
    emotions = ("Wut", "Freude", "Neutral")
    runs = [
        make_run(number, Predictions(labels, rng.dirichlet(np.ones(3), 60), emotions)) for number in (1, 2)
    ]
    compared = comparison.compare_runs(*runs)
    assert [row["emotion"] for row in compared["matrix"]] == list(emotions)
    assert {"recall, Wut", "recall, Freude"} <= {row["name"] for row in compared["metrics"]}
