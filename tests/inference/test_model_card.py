"""The model card as Markdown: it states the facts of the card that programs read."""

import copy

import pytest

from pipeline.inference.model_card import describe_data, render_model_card, shorten_path
from pipeline.models import model_zoo
from pipeline.workflow.steps import ROOT


@pytest.fixture
def card() -> dict:
    return copy.deepcopy(model_zoo.read_model_card(model_zoo.MODELS_DIR / "Compact.keras"))


def test_card_states_commands_metrics_and_checksums(card):
    text = render_model_card(card)
    assert all(command in text for command in card["commands"])
    for metrics in card["metrics"].values():
        low, high = metrics["accuracy_ci95"]
        assert f"| {metrics['faces']:,} | {metrics['accuracy']:.2%} | {low:.2%} to {high:.2%} |" in text
    for name, facts in card["formats"].items():
        assert f"`{name}`" in text and f"{facts['sha256']}  {name}" in text
    for key in ("data", "input", "output", "machine", "note", "limits", "licenses"):
        assert card[key] in text


def test_card_says_whether_validation_was_used_for_training(card):
    assert "| validation (used for training) |" in render_model_card(card)
    card["settings"]["train_x"]["train_on_validation"] = False
    assert "| validation |" in render_model_card(card)


def test_card_states_test_time_augmentation(card):
    assert "TTA" not in render_model_card(card)
    assert "(TTA) over 18 views" in render_model_card(card | {"tta": 18})


def test_folder_without_checksum_is_listed(card):
    facts = {key: value for key, value in card["formats"]["Compact.keras"].items() if key != "sha256"}
    text = render_model_card(card | {"formats": {"Compact_saved_model": facts}})
    assert "| `Compact_saved_model` |" in text


def test_text_is_not_escaped_as_html(card):
    assert 'A & B <"tested">' in render_model_card(card | {"note": 'A & B <"tested">'})


@pytest.mark.parametrize(
    ("label", "is_fer2013"),
    [
        ("FER2013 (fer2013.csv, 35,887 faces)", True),
        ("FER2013's Training and PublicTest rows (Dataset.csv, 32,298 faces)", True),
        ("fer2013.csv (300 faces)", False),
        ("SYNTHETIC SAMPLE, NOT FER2013 (8,000 synthetic faces)", False),
    ],
)
def test_card_says_of_fer2013_alone_what_is_known_of_it(label, is_fer2013):
    assert all(("FER2013" in text) == is_fer2013 for text in describe_data(label).values())


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (str(ROOT / "models" / "Strong.keras"), "models/Strong.keras"),
        (str(ROOT.parent / "elsewhere" / "votes.csv"), "votes.csv"),
        ("models/Strong.keras", "models/Strong.keras"),
        ("--epochs", "--epochs"),
        ("0.001", "0.001"),
    ],
)
def test_commands_name_no_folder_of_the_machine(argument, expected):
    assert shorten_path(argument) == expected
