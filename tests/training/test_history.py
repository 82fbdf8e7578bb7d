"""Summary and run record of a training."""

from types import SimpleNamespace

import pytest

from pipeline.models.backend import keras
from pipeline.training.history import build_run_record, format_summary

HISTORY = {
    "loss": [2.0, 1.5, 1.2],
    "accuracy": [0.3, 0.4, 0.5],
    "val_accuracy": [0.25, 0.45, 0.35],
    "seconds": [1.0, 2.0, 3.0],
}


def test_summary_shows_the_last_and_the_best_epoch():
    last, best = format_summary(HISTORY, best_epoch=1, keep="best").splitlines()[1:3]
    assert all(fact in last for fact in ("3", "50.00%", "35.00%"))
    assert all(fact in best for fact in ("2", "40.00%", "45.00%"))


@pytest.mark.parametrize(("keep", "has_remedy"), [("last", True), ("best", False)])
def test_summary_warns_where_validation_fell_after_the_best_epoch(keep, has_remedy):
    summary = format_summary(HISTORY, best_epoch=1, keep=keep)
    assert "10.0 points after epoch 2" in summary and ("--keep best" in summary) == has_remedy


@pytest.mark.parametrize("last", [0.45, 0.441])
def test_summary_does_not_warn_of_what_may_be_chance(last):
    history = HISTORY | {"val_accuracy": [0.25, 0.45, last]}
    assert "fell" not in format_summary(history, best_epoch=1, keep="last")


def test_run_record_describes_network_and_history():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(7)], name="Small")
    settings = SimpleNamespace(recipe="baseline", seed=3)
    record = build_run_record(model, HISTORY, settings, source={"label": "FER2013"})
    expected = {
        "data": "FER2013",
        "network": "Small",
        "parameters": 35,
        "recipe": "baseline",
        "seed": 3,
        "epochs": 3,
        "seconds": 6.0,
    }
    assert record.items() >= expected.items()
    assert (record["train_accuracy"], record["validation_accuracy"]) == ("0.5000", "0.3500")
