"""The flags of a run are recorded so that they repeat it, from any folder."""

import os
import sys
from dataclasses import dataclass
from typing import Literal

from pipeline.workflow.cli import parse_settings

import pytest

from pipeline.workflow.flags import format_flags, make_absolute
from pipeline.workflow.settings import FilePath, Location, ModelPath, OneRun


@dataclass
class Settings:
    recipe: Literal["baseline", "large"] = "baseline"  # the recipe
    epochs: int = 3  # number of epochs
    rate: float = 0.5  # a rate
    flip: bool = False  # mirror
    annotate: bool = True  # annotate
    resume: OneRun[bool] = True  # resume
    finish: OneRun[bool] = False  # finish
    name: str = ""  # a text
    filters: tuple[int, int] = (6, 16)  # two numbers
    dataset: FilePath = ""  # a file
    images: tuple[FilePath, ...] = ()  # files
    model: ModelPath = ""  # a file


RECIPES = {"baseline": {"epochs": 3}, "large": {"epochs": 30}}


def record(monkeypatch, *flags: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["Script.py", *flags])
    return format_flags(Settings, parse_settings(Settings, RECIPES)[1])


@pytest.mark.parametrize(
    ("flags", "recorded"),
    [
        ("", ""),
        ("--epochs 5", "--epochs 5"),
        ("--epochs=5", "--epochs 5"),
        ("--epochs 3", ""),
        ("--epochs -5", "--epochs=-5"),
        ("--recipe large --epochs 5", "--recipe large --epochs 5"),
        ("--rate 1", "--rate 1.0"),
        ("--flip --no-annotate", "--flip --no-annotate"),
        ("--no-resume --finish --flip", "--flip"),
        ("--name=--x", "--name=--x"),
        ("--filters 1 2", "--filters 1 2"),
        ("--model data", "--model data"),
    ],
)
def test_flags_that_repeat_a_run_are_recorded(monkeypatch, flags, recorded):
    assert record(monkeypatch, *flags.split()) == recorded.split()
    assert record(monkeypatch, *recorded.split()) == recorded.split()


def test_paths_are_recorded_absolute(monkeypatch, tmp_path):
    (tmp_path / "sub folder").mkdir()
    monkeypatch.chdir(tmp_path / "sub folder")
    (tmp_path / "a.csv").touch()
    flags = ("--dataset", "../a.csv", "--images", "b.jpg", "/c.jpg", "*.png", "--model", "~/m.keras")
    here = os.getcwd()
    assert record(monkeypatch, *flags) == [
        *("--dataset", str(tmp_path / "a.csv")),
        *("--images", os.path.join(here, "b.jpg"), os.path.abspath("/c.jpg"), os.path.join(here, "*.png")),
        *("--model", os.path.expanduser(os.path.join("~", "m.keras"))),
    ]


def test_the_folder_of_a_pattern_is_no_pattern(monkeypatch, tmp_path):
    (tmp_path / "[1]").mkdir()
    monkeypatch.chdir(tmp_path / "[1]")
    (tmp_path / "[1]" / "a[b].jpg").touch()
    assert "[[]1]" in make_absolute("*.jpg", Location())
    assert make_absolute("a[b].jpg", Location()) == str(tmp_path / "[1]" / "a[b].jpg")
    assert make_absolute("https://a.b/c.jpg", Location()) == "https://a.b/c.jpg"
