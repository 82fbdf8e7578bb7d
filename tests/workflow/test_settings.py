"""Each value of the settings is checked against its annotation, whether from the file, a recipe or a flag."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pipeline.workflow.cli import parse_settings

import numpy as np
import pytest
from annotated_types import Ge, Le, MinLen

from pipeline.workflow.settings import (
    Fraction,
    NonNegativeFloat,
    Override,
    PositiveInt,
    Seed,
    SettingsSource,
    UnitInterval,
    describe,
    is_allowed,
)

NAN = float("nan")


@dataclass
class Settings:
    recipe: Literal["baseline", "residual"] = "baseline"  # the recipe
    epochs: PositiveInt = 30  # number of epochs
    rate: NonNegativeFloat = 0.1  # learning rate
    share: Fraction = 0.5  # a share
    weight: UnitInterval = 1.0  # a weight
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"  # the optimizer
    views: Literal[1, 2, 18] = 2  # number of views
    flip: bool = False  # mirror
    filters: tuple[PositiveInt, PositiveInt] = (6, 16)  # of two layers
    formats: Annotated[tuple[Literal["csv", "jsonl"], ...], MinLen(1)] = ("csv",)  # of the table
    files: tuple[str, ...] = ()  # names
    faces: Annotated[int, Ge(1), Le(20)] = 10  # number of faces
    name: str = ""  # text
    seed: Seed = 0  # random seed


RECIPES = {
    "baseline": {"epochs": 30, "rate": 0.1, "optimizer": "adam"},
    "residual": {"epochs": 66, "rate": 1, "optimizer": "adamw"},
}


def edited(**values) -> type:
    """Return the class as it would be after editing the defaults in the file."""
    annotations = Settings.__annotations__
    body = {name: values.get(name, getattr(Settings, name)) for name in annotations}
    return dataclass(type("Settings", (), {"__annotations__": annotations, "__module__": __name__, **body}))


def parse(monkeypatch, settings_class: type, *flags: str):
    monkeypatch.setattr(sys, "argv", ["Script.py", *flags])
    return parse_settings(settings_class, RECIPES)


WRONG_VALUES = [
    ("epochs", "2", "2"),
    ("epochs", 2.0, "2"),
    ("epochs", (2,), "2"),
    ("epochs", None, ""),
    ("epochs", 0, "at least 1"),
    ("epochs", True, "whole number"),
    ("epochs", 10**20, "at most 1,000,000,000"),
    ("epochs", np.int64(3), "Did you mean 3?"),
    ("rate", NAN, "number"),
    ("rate", float("inf"), "number"),
    ("rate", -1, "at least 0"),
    ("rate", "0.1", "Did you mean 0.1?"),
    ("share", 1, "less than 1"),
    ("weight", 1.1, "at most 1"),
    ("optimizer", "Adam", "Did you mean 'adam'?"),
    ("optimizer", "SGD", "Did you mean 'sgd'?"),
    ("optimizer", "rmsprop", "'adam', 'adamw' or 'sgd'"),
    ("optimizer", None, "'adam', 'adamw' or 'sgd'"),
    ("views", True, "1, 2 or 18"),
    ("views", 2.0, "Did you mean 2?"),
    ("views", 3, "1, 2 or 18"),
    ("flip", 1, "Did you mean True?"),
    ("flip", "no", "Did you mean False?"),
    ("filters", (6, 16, 32), "2 values"),
    ("filters", (6,), "2 values"),
    ("filters", 6, "2 values"),
    ("filters", (6, 16.0), "Did you mean (6, 16)?"),
    ("formats", ("CSV",), "Did you mean ('csv',)?"),
    ("formats", "csv", "Did you mean ('csv',)?"),
    ("formats", (), "at least 1 of them"),
    ("files", "a.jpg", "Did you mean ('a.jpg',)?"),
    ("faces", 21, "at most 20"),
    ("name", 5, "text"),
    ("seed", -1, "at least 0"),
    ("seed", 2**32, "less than 4,294,967,296"),
    ("recipe", "strong", "'baseline' or 'residual'"),
]


@pytest.mark.parametrize(("name", "value", "fact"), WRONG_VALUES, ids=str)
def test_a_wrong_value_in_the_file_is_named_with_file_and_what_is_allowed(monkeypatch, name, value, fact):
    with pytest.raises(ValueError, match=name) as caught:
        parse(monkeypatch, edited(**{name: value}))
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r} (test_settings.py, line ") and fact in message


def test_the_line_of_the_setting_is_named_and_all_wrong_values_are_listed(monkeypatch):
    with pytest.raises(ValueError, match="epochs") as caught:
        parse(monkeypatch, edited(epochs=0, flip=1))
    first, second = str(caught.value).splitlines()
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert f"line {lines.index('    epochs: PositiveInt = 30  # number of epochs') + 1})" in first
    assert second.startswith("flip is 1")


def test_a_list_in_the_place_of_a_tuple_is_refused():
    assert not is_allowed([6, 16], Settings.__annotations__["filters"])


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        (("--epochs", "many"), ["epochs is 'many'", "--epochs", "whole number"]),
        (("--epochs", "\u00b2"), ["epochs is", "whole number"]),
        (("--epochs", "2.0"), ["epochs is 2.0", "Did you mean 2?"]),
        (("--epochs", "nan"), ["epochs is nan", "whole number"]),
        (("--epochs", "9" * 20), ["at most 1,000,000,000"]),
        (("--epochs", "9" * 5000), ["epochs is inf"]),
        (("--seed", "-1"), ["seed is -1", "at least 0"]),
        (("--rate", "nan"), ["rate is nan", "a number"]),
        (("--rate", "1e400"), ["rate is inf"]),
        (("--optimizer", "Adam"), ["optimizer is 'Adam'", "Did you mean 'adam'?"]),
        (("--views", "3"), ["views is '3'", "1, 2 or 18"]),
        (("--filters", "6", "16", "32"), ["filters is (6, 16, 32)", "2 values"]),
        (("--filters", "6"), ["filters is (6,)", "2 values"]),
        (("--formats", "xml"), ["formats is ('xml',)", "'csv' or 'jsonl'"]),
        (("--recipe", "Residual"), ["recipe is 'Residual'", "Did you mean 'residual'?"]),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_allowed(monkeypatch, flags, facts):
    with pytest.raises(ValueError, match=flags[0].strip("-")) as caught:
        parse(monkeypatch, Settings, *flags)
    assert all(fact in str(caught.value) for fact in facts)


def test_flags_are_converted_to_the_types_of_the_settings(monkeypatch):
    flags = "--epochs 5 --rate 1 --views 18 --filters 3 4 --formats jsonl csv --flip --files a b --name 7"
    settings, overrides = parse(monkeypatch, Settings, *flags.split())
    assert (settings.epochs, settings.rate, settings.views, settings.filters) == (5, 1.0, 18, (3, 4))
    assert (settings.formats, settings.flip, settings.files, settings.name) == (
        ("jsonl", "csv"), True, ("a", "b"), "7",
    )  # fmt: skip
    assert "epochs = 5 (in the file: 30)" in [str(override) for override in overrides]


def test_an_edited_value_wins_over_the_recipe_and_a_flag_over_both(monkeypatch):
    edited_class = edited(recipe="residual", epochs=5)
    settings, overrides = parse(monkeypatch, edited_class)
    assert (settings.epochs, settings.optimizer, settings.rate) == (5, "adamw", 1.0)
    assert [str(override) for override in overrides] == ["epochs = 5 in the file (in the recipe: 66)"]
    settings, overrides = parse(monkeypatch, edited_class, "--epochs", "7", "--optimizer", "sgd")
    assert (settings.epochs, settings.optimizer) == (7, "sgd")
    assert [str(override) for override in overrides] == [
        "epochs = 7 (in the file: 5)",
        "optimizer = 'sgd' (in the recipe: 'adamw')",
    ]


def test_a_recipe_by_flag_is_printed_and_leaves_unedited_values_to_it(monkeypatch):
    settings, overrides = parse(monkeypatch, edited(optimizer="sgd"), "--recipe=residual")
    assert (settings.recipe, settings.epochs, settings.optimizer) == ("residual", 66, "sgd")
    assert [str(override) for override in overrides] == [
        "recipe = 'residual' (in the file: 'baseline')",
        "optimizer = 'sgd' in the file (in the recipe: 'adamw')",
    ]


def test_a_wrong_value_in_a_recipe_is_named():
    source = SettingsSource(Settings, {**RECIPES, "residual": {"epochs": 2.5}})
    with pytest.raises(ValueError, match=r"epochs is 2.5 \(recipe residual"):
        source.defaults("residual")


def test_a_setting_without_a_type_is_an_error():
    with pytest.raises(ValueError, match=r"lost .* has no type"):
        SettingsSource(dataclass(type("Settings", (Settings,), {"__module__": __name__, "lost": 5})))


def test_allowed_values_are_described():
    assert describe(Annotated[int, Ge(1), Le(20)]) == "a whole number, at least 1 and at most 20"
    assert describe(Fraction) == "a number, at least 0 and less than 1"


@pytest.mark.parametrize("n_values", [1, 2, 981, 100_000])
def test_of_many_values_the_first_and_their_number_are_printed(n_values):
    values = tuple(f"photographs/{index}.jpg" for index in range(n_values))
    text = str(Override("images", values, "flag", (), "file"))
    assert len(text) < 400 and "photographs/0.jpg" in text
    assert ("values" in text) == (n_values > 2)
