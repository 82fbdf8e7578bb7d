"""Check results/runs.csv: one row per training, with its changes and accuracies."""

import csv
import json

import pytest

from pipeline.reporting import run_log
from pipeline.workflow.artifacts import ArtifactStore


@pytest.fixture(autouse=True)
def log_path(tmp_path, monkeypatch):
    path = tmp_path / "results" / "runs.csv"
    path.parent.mkdir()
    monkeypatch.setattr(run_log, "RUN_LOG_PATH", path)
    return path


@pytest.fixture
def log_training(tmp_path):
    """Log a training with these weights and settings; returns the store that it wrote to."""

    def log(weights: str, **settings) -> ArtifactStore:
        store = ArtifactStore(tmp_path / "data", "Compiling_model.py", settings)
        store.write(train_x=0, model=0, trained_model=weights)
        run_log.append_run(store, {"network": "LeNet-5"})
        return store

    return log


def test_without_a_file_there_are_no_runs():
    assert run_log.read_runs() == []


def test_runs_are_appended_with_their_settings(log_training, log_path):
    hashes = [log_training(w, epochs=n).outputs["trained_model"] for n, w in enumerate("ab", start=1)]
    with open(log_path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == run_log.COLUMNS
    assert [row["weights_sha256"] for row in rows] == hashes
    assert json.loads(rows[1]["settings"])["training"] == {"epochs": 2}
    assert (
        [row["changed"] for row in rows]
        == [
            "",
            "epochs 1 -> 2, epochs 1 -> 2, epochs 1 -> 2",  # of all three steps, whose artifacts have one writer here
        ]
    )


def test_accuracies_are_set_on_the_run_with_the_same_weights(log_training):
    for weights in ("a", "b", "c"):
        store = log_training(weights)
    run_log.set_accuracies(store, store.outputs["trained_model"], {"test": 0.4831, "train": 0.95})
    runs = run_log.read_runs()
    assert [run["test_accuracy"] for run in runs] == ["", "", "0.4831"]
    assert runs[2]["train_accuracy"] == "0.9500" and runs[2]["validation_accuracy"] == ""


@pytest.mark.parametrize("order", ["aa", "aaa", "aba", "abba"])
def test_a_run_with_the_same_weights_is_logged_once_and_keeps_its_test_accuracy(log_training, order):
    """A training that was killed after it was logged, but before its step was recorded, is logged again."""
    for position, weights in enumerate(order):
        store = log_training(weights, epochs="ab".index(weights))
        if not position:
            run_log.set_accuracies(store, store.outputs["trained_model"], {"test": 0.5})
    runs = run_log.read_runs()
    assert len(runs) == len(set(order))
    assert (
        runs[-1]["test_accuracy"] == "0.5000" and runs[-1]["weights_sha256"] == store.outputs["trained_model"]
    )
    assert ("epochs" in runs[-1]["changed"]) == ("b" in order)


def test_accuracies_of_unknown_weights_change_nothing(log_training):
    store = log_training("a")
    before = run_log.read_runs()
    run_log.set_accuracies(store, "0" * 64, {"test": 0.5})
    assert run_log.read_runs() == before


def test_columns_that_a_file_lacks_are_empty(log_path):
    log_path.write_text("network,something else\nLeNet-5,1\n", encoding="utf-8")
    (run,) = run_log.read_runs()
    assert run["network"] == "LeNet-5" and run["test_accuracy"] == ""
    assert set(run) == set(run_log.COLUMNS)


def test_a_run_after_one_with_unreadable_settings_is_logged(log_path, log_training):
    log_path.write_text("network,settings\nLeNet-5,{torn\n", encoding="utf-8")
    log_training("a", epochs=1)
    assert len(run_log.read_runs()) == 2


def test_a_file_that_is_no_csv_is_named_with_the_remedy(log_path):
    log_path.write_text('network\n"' + "x" * 200_000, encoding="utf-8")  # a field beyond the limit of `csv`
    with pytest.raises(ValueError, match=r"runs\.csv.*Move it away"):
        run_log.read_runs()


def test_differences_name_the_setting_and_both_values():
    before = {"network": {"dense": [120]}, "training": {"epochs": 30, "keep": "last"}}
    after = {"network": {"dense": [120]}, "training": {"epochs": 50, "keep": "best", "mixup": 0.2}}
    assert (
        run_log.format_differences(before, after) == "epochs 30 -> 50, keep last -> best, mixup None -> 0.2"
    )


@pytest.mark.slow
def test_steps_8_and_9_log_each_training_with_its_changes(prepared, tmp_path):
    project = prepared.copy(tmp_path / "runs")
    project.run("Compiling_model.py", "--epochs", 1)
    project.run("Compiling_model.py", "--epochs", 2, "--keep", "best")
    project.run("Performance.py")
    with open(project.results / "runs.csv", encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["changed"] == "" and second["changed"] == "epochs 1 -> 2, keep last -> best"
    assert first["test_accuracy"] == "" and 0 < float(second["test_accuracy"]) < 1
    metrics = json.loads((project.results / "metrics.json").read_text(encoding="utf-8"))
    assert second["test_accuracy"] == f"{metrics['splits']['test']['accuracy']:.4f}"
    assert second["weights_sha256"] == project.store().entry("trained_model")["sha256"]
