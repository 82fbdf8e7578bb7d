"""The values that the report takes from results/."""

import pytest

from pipeline.evaluation.metrics import Predictions, evaluate
from pipeline.reporting import report_data
from pipeline.workflow.atomic_io import write_json


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(report_data, "RESULTS", tmp_path)
    return tmp_path


@pytest.mark.parametrize("has_votes", [True, False])
def test_metrics_against_the_voters_are_shown_if_there_are_votes(results, rng, has_votes):
    figures = evaluate(Predictions(rng.integers(0, 7, 70), rng.dirichlet([1.0] * 7, 70)), n_bins=15)
    split = figures | ({"voters": figures} if has_votes else {})
    write_json(
        results / "metrics.json",
        {"splits": {"test": split}, "network": {"name": "LeNet-5"}, "data": "FER2013"},
    )
    metrics = report_data.collect_metrics()
    assert metrics["splits"]["test"]["accuracy"] == figures["accuracy"]
    assert list(metrics["voters"]) == (["test"] if has_votes else [])


def test_metrics_of_another_version_are_an_error(results):
    write_json(results / "metrics.json", {"splits": {"test": {"accuracy": 0.5}}})
    with pytest.raises(KeyError):
        report_data.collect_metrics()
