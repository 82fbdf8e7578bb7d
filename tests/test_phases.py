"""Step 8 in two phases: a backbone keeps its weights at first, and a kill in either phase changes nothing."""

import runpy

import numpy as np
import pytest
from helpers import ROOT
from test_training import assert_same_bits, weights_of

from pipeline.training.fine_tuning import Phase

SMALL_BACKBONE = '''"""Step 7, another way: a small network within another."""

from dataclasses import dataclass

from pipeline.models.build_step import run_build_step

import keras
from keras import layers


@dataclass
class Settings:
    seed: int = 0  # of the weights
    show: bool = False  # True: open the diagram


def build(settings, face_shape):
    small = [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(momentum=0.8), layers.Dropout(0.1)]
    backbone = keras.Sequential([keras.Input((12, 12, 1)), *small], name="backbone")
    faces = keras.Input(face_shape)
    x = layers.GlobalAveragePooling2D()(backbone(layers.AveragePooling2D(4)(faces)))
    return keras.Model(faces, layers.Dense(7, "softmax", name="emotion")(x), name="Small")


run_build_step(build, Settings)
'''
DIES = """
        import os

        if os.environ.get("DIES_AFTER") == str(epoch + 1):
            os._exit(9)
"""
PHASES = ("--epochs", 4, "--frozen-epochs", 2, "--optimizer", "adamw", "--schedule", "cosine", "--ema", 0.9)


@pytest.fixture(scope="module")
def small(prepared, tmp_path_factory):
    """Ready to train a small network within another; dies after the epoch that DIES_AFTER tells."""
    project = prepared.copy(tmp_path_factory.mktemp("small") / "project")
    (project.root / "Small_model.py").write_text(SMALL_BACKBONE, encoding="utf-8")
    training = project.root / "pipeline" / "training.py"
    before, found, after = training.read_text(encoding="utf-8").rpartition(
        "        if self.has_run_out_of_patience()"
    )
    training.write_text(before + DIES + found + after, encoding="utf-8")
    project.run("Small_model.py")
    return project


@pytest.fixture(scope="module")
def unbroken(small, tmp_path_factory):
    project = small.copy(tmp_path_factory.mktemp("unbroken") / "project")
    printed = project.run("Compiling_model.py", *PHASES)
    assert "up to epoch 2 the backbone keeps its weights" in printed
    assert "up to epoch 4 the backbone learns too" in printed
    return project


def test_frozen_epochs_leave_the_backbone_as_it_was_to_the_bit(small, unbroken, tmp_path):
    project = small.copy(tmp_path / "frozen")
    project.run("Compiling_model.py", "--epochs", 2, "--frozen-epochs", 2)
    as_built, frozen = project.store().read("model")["weights"], weights_of(project)
    assert_same_bits(frozen[:-2], as_built[:-2])
    for after, before in zip(frozen[-2:], as_built[-2:], strict=True):
        assert not np.array_equal(after, before)
    for after, before in zip(weights_of(unbroken), as_built, strict=True):
        assert not np.array_equal(after, before)  # of the running averages too, once all of it learns


def test_a_training_killed_in_each_phase_and_between_them_ends_the_same(
    small, unbroken, tmp_path, monkeypatch
):
    project = small.copy(tmp_path / "killed")
    for epoch in (1, 2, 3):
        monkeypatch.setenv("DIES_AFTER", str(epoch))
        project.run("Compiling_model.py", *PHASES, status=9)
    monkeypatch.delenv("DIES_AFTER")
    assert "Going on after epoch 3" in project.run("Compiling_model.py", *PHASES)
    assert_same_bits(weights_of(project), weights_of(unbroken))
    one, other = (p.store().read("history") for p in (project, unbroken))
    assert len(one["loss"]) == 4 and all(one[name] == other[name] for name in one if name != "seconds")


def test_freezing_a_network_without_a_backbone_is_a_sentence(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    printed = project.run("Compiling_model.py", "--frozen-epochs", 1, status=1)
    assert "LeNet-5 has none. Build one with Transfer_Learning_model.py" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"frozen_epochs": 31}, "frozen_epochs is 31, but there are only 30 epochs"),
        ({"frozen_epochs": -1}, "frozen_epochs is -1, but must not be below 0"),
        ({"fine_tuning_rate": 0}, "fine_tuning_rate is 0, but must be above 0"),
        (
            {"epochs": 3, "frozen_epochs": 2, "schedule": "cosine", "warmup_epochs": 1},
            "warmup_epochs is 1, but there are only 1 epochs after frozen_epochs",
        ),
    ],
)
def test_phases_that_make_no_sense_are_a_sentence(values, sentence):
    script = runpy.run_path(str(ROOT / "Compiling_model.py"))
    with pytest.raises(ValueError, match=sentence):
        script["refuse_nonsense"](script["Settings"](**values))


def test_the_gentler_rate_and_the_schedule_are_for_what_follows_the_frozen_epochs():
    script = runpy.run_path(str(ROOT / "Compiling_model.py"))
    settings = script["Settings"](epochs=10, frozen_epochs=3, learning_rate=0.1, fine_tuning_rate=0.01)
    settings.schedule = "cosine"
    frozen, rest = script["phases"](settings)
    assert frozen == Phase(0, 3, 0.1, "constant", frozen=True)
    assert rest == Phase(3, 10, 0.01, "cosine", frozen=False)
    rate = script["optimizer"](settings, rest, steps_per_epoch=5)._learning_rate
    np.testing.assert_allclose([float(rate(step)) for step in (0, 35)], [0.01, 0], atol=1e-9)
    settings.frozen_epochs = 0
    assert script["phases"](settings) == [Phase(0, 10, 0.1, "cosine", frozen=False)]
    settings.frozen_epochs = 10
    assert [phase.frozen for phase in script["phases"](settings)] == [True]
