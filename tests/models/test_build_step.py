"""Step 7 stores a network that the next steps can use, and nothing after an error."""

import functools
import sys
from dataclasses import dataclass

from pipeline.models.build_step import run_build_step

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures import plots
from pipeline.figures.plots import FigureFormats
from pipeline.models import build_step, serialization
from pipeline.models.backend import keras
from pipeline.workflow import cli, results_index
from pipeline.workflow.artifacts import ArtifactStore

layers = keras.layers


@dataclass
class Settings:
    seed: int = 0  # of the weights
    figures: FigureFormats = ("png",)  # formats of the diagram
    show: bool = False  # open the diagram


@dataclass
class SettingsWithoutSeed:
    figures: FigureFormats = ("png",)  # formats of the diagram
    show: bool = False  # open the diagram


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run step 7 with a `build` function; return the store."""
    monkeypatch.setattr(cli, "ArtifactStore", functools.partial(ArtifactStore, tmp_path / "data"))
    for module in (cli, build_step, plots, results_index):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sys, "argv", ["LeNet-5_model.py"])
    store = ArtifactStore(tmp_path / "data", script="Pre-processing_Data.py")
    source = {"label": "test", "is_sample": True, "note": ""}
    store.write(train_x=np.zeros((2, 48, 48, 1), np.float32), source=source, emotions=EMOTIONS)

    def run_with(build, settings_class=Settings, emotions=EMOTIONS) -> ArtifactStore:
        store.write(emotions=emotions)
        run_build_step(build, settings_class)
        return store

    return run_with


def build_linear(settings, face_shape):
    stack = [keras.Input(face_shape), layers.Flatten(), layers.Dense(7, activation="softmax")]
    return keras.Sequential(stack, name="Linear")


def test_network_is_stored_and_described(run, tmp_path):
    packed = run(build_linear).read("model")
    assert packed["name"] == "Linear" and serialization.unpack(packed).count_params() == 2304 * 7 + 7
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "model.json",
        "model.txt",
        "model.png",
        "networks.json",
    }


@pytest.mark.parametrize(
    ("build", "fact"),
    [
        (lambda settings, face_shape: None, "return model"),
        (lambda settings, face_shape: keras.Sequential([layers.Dense(7)]), "Flatten"),
        (lambda settings, face_shape: keras.Sequential([layers.Flatten(), layers.Dense(7)]), "softmax"),
    ],
)
def test_network_that_the_next_steps_cannot_use_is_refused_and_the_previous_one_kept(
    run, tmp_path, build, fact
):
    store = run(build_linear)
    before = (tmp_path / "results" / "model.txt").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"LeNet-5_model\.py: .*{fact}"):
        run(build)
    assert store.read("model")["name"] == "Linear"
    assert (tmp_path / "results" / "model.txt").read_text(encoding="utf-8") == before


def test_settings_without_a_field_that_step_7_needs_are_refused(run):
    with pytest.raises(SystemExit, match="lacks seed"):
        run(build_linear, SettingsWithoutSeed)


@pytest.mark.parametrize("emotions", [("Happy", "Sad"), EMOTIONS[:5], (*EMOTIONS, "Contempt")])
def test_build_gets_the_number_of_emotions_if_it_wants_it(run, emotions):
    def build(settings, face_shape, width=4, n_emotions=7):
        stack = [keras.Input(face_shape), layers.Flatten(), layers.Dense(n_emotions, activation="softmax")]
        return keras.Sequential(stack, name=f"Width{width}")

    store = run(build, emotions=emotions)
    packed = store.read("model")
    assert packed["name"] == "Width4" and packed["weights"][-1].shape == (len(emotions),)
    assert store.entry("model")["inputs"].keys() == {"emotions"}


def test_a_network_with_another_number_of_outputs_is_refused(run):
    with pytest.raises(SystemExit, match=r"Dense\(5"):
        run(build_linear, emotions=EMOTIONS[:5])
