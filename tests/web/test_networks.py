"""Test the networks that the page offers, and what it says about their accuracy."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.recognition import SharedClassifier
from pipeline.web.networks import UNKNOWN_ACCURACY, Networks, read_accuracy


def test_networks_that_ship_are_offered_with_the_default_first(classifier):
    networks = Networks(classifier)
    names = [name for _, name in networks.choices()]
    assert names[0] == networks.default_name == "Compact_votes"
    assert sorted(names) == sorted(path.stem for path in model_zoo.MODELS_DIR.glob("*.tflite"))
    assert names.index("LeNet-5_votes") < names.index("Strong")  # those measured by votes come first
    assert names.index("Strong") < names.index("LeNet-5_baseline")  # then the more accurate ones


def test_accuracy_is_that_of_the_model_card(classifier):
    networks = Networks(classifier)
    card = json.loads((model_zoo.MODELS_DIR / "Compact_votes.json").read_text("utf-8"))
    voters = card["metrics"]["test"]["voters"]
    sentence = networks.describe("Compact_votes")
    for share in (voters["accuracy"], *voters["accuracy_ci95"]):
        assert f"{share:.1%}" in sentence
    assert f"{voters['faces']:,}" in sentence and "voters" in sentence


def test_accuracy_without_votes_is_that_on_the_labels_and_comes_after_those_with(classifier, tmp_path):
    for name in ("LeNet-5_votes", "Strong"):
        for suffix in (".json", ".tflite"):
            shutil.copy(model_zoo.MODELS_DIR / f"{name}{suffix}", tmp_path)
    card = json.loads((tmp_path / "Strong.json").read_text("utf-8"))
    card["metrics"]["test"] |= {"accuracy": 0.99, "voters": None}
    (tmp_path / "Strong.json").write_text(json.dumps(card), "utf-8")
    networks = Networks(classifier, tmp_path)
    assert "99.0%" in networks.describe("Strong") and "voters" not in networks.describe("Strong")
    assert [name for _, name in networks.choices()][1:] == ["LeNet-5_votes", "Strong"]


def test_network_is_loaded_once_when_it_is_chosen(classifier):
    networks = Networks(classifier)
    assert networks.get("Compact_votes") is classifier
    other = networks.get("LeNet-5_votes")
    assert other.path.name == "LeNet-5_votes.tflite" and networks.get("LeNet-5_votes") is other


@pytest.mark.parametrize("name", ["", "../Compact", "Compact.tflite", "/etc/passwd"])
def test_name_that_is_not_offered_is_refused(classifier, name):
    with pytest.raises(ValueError, match="no network"):
        Networks(classifier).get(name)


def test_own_network_without_a_card_is_offered_beside_those_that_ship(tmp_path):
    path = Path(shutil.copy(model_zoo.MODELS_DIR / "LeNet-5_votes.tflite", tmp_path / "mine.tflite"))
    networks = Networks(SharedClassifier(EmotionClassifier(path)))
    assert networks.choices()[0] == ("mine.tflite: accuracy unknown", "mine.tflite")
    assert networks.describe("mine.tflite") == UNKNOWN_ACCURACY
    assert len(networks.choices()) == 1 + len(list(model_zoo.MODELS_DIR.glob("*.tflite")))


@pytest.mark.parametrize("metrics", [{}, {"test": None}, {"test": {"accuracy": "high"}}, []])
def test_card_without_a_test_accuracy_says_nothing(tmp_path, metrics):
    card = {"formats": {"mine.tflite": {}}, "is_sample": False, "metrics": metrics}
    (tmp_path / "mine.json").write_text(json.dumps(card))
    assert read_accuracy(tmp_path / "mine.tflite") is None
