"""The values that the report takes from results/."""

import pytest

from pipeline.evaluation.metrics import Predictions, evaluate
from pipeline.evaluation.saliency import REGIONS
from pipeline.reporting import report_data, report_figures
from pipeline.workflow.artifacts import ArtifactStore
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


def test_saliency_is_shown_only_where_it_was_computed(results, monkeypatch):
    monkeypatch.setattr(report_figures, "RESULTS", results)
    checked = []
    monkeypatch.setattr(report_data, "check_network", lambda store, name: checked.append(name))
    assert report_data.collect_saliency(ArtifactStore(results)) is None
    regions = dict.fromkeys(REGIONS, 1.5)
    facts = {"method": "occlusion sensitivity", "faces": {"Fear": 30}, "relative_saliency": {"Fear": regions}}
    write_json(results / "saliency.json", facts)
    for name in ("saliency.png", "saliency_by_emotion.png"):
        (results / name).write_bytes(name.encode())
    section = report_data.collect_saliency(ArtifactStore(results))
    assert section["rows"] == [("Fear", 30, [1.5] * len(REGIONS))] and section["regions"] == list(REGIONS)
    assert section["faces"] != section["means"]
    assert set(checked) == {"saliency.json", "saliency.png", "saliency_by_emotion.png"}
