"""Checkpoints: an interrupted training resumes and ends with the same weights, bit for bit, after any epoch.

The trainings run in this process, on a small network with a backbone, batch normalization and dropout.
"""

import numpy as np
import pytest
from helpers import assert_same_bits

import Compiling_model
from pipeline.data.fer2013 import EMOTIONS
from pipeline.models import serialization
from pipeline.models.backend import keras
from pipeline.workflow.artifacts import ArtifactStore

pytestmark = pytest.mark.slow

ADAMW = {"epochs": 3, "optimizer": "adamw", "weight_decay": 0.05, "schedule": "cosine", "warmup_epochs": 0.5}
AUGMENTED = {
    "flip": True,
    "rotate": 12,
    "translate": 4,
    "random_erasing": 8,
    "mixup": 0.2,
    "class_weights": True,
}
TEACHERS = ("models/LeNet-5_baseline.keras",)
TRAININGS = {  # name: (settings, epochs after which it is interrupted)
    "adam": ({"epochs": 3}, (1, 3)),
    "sgd": ({"epochs": 3, "optimizer": "sgd", "early_stopping_patience": 2, "keep": "best"}, (2,)),
    "augmented": ({**ADAMW, **AUGMENTED, "label_smoothing": 0.1}, (2,)),
    "ema and distillation": ({**ADAMW, "ema_momentum": 0.9, "teachers": TEACHERS}, (2, 3)),
    "frozen, then fine-tuned": ({**ADAMW, "epochs": 4, "frozen_epochs": 2, "ema_momentum": 0.9}, (1, 2, 3)),
}


class Interruption(Exception):
    pass


class InterruptedStore(ArtifactStore):
    """Raises Interruption once the checkpoint of an epoch is written."""

    interrupted_epoch = 0

    def write(self, **artifacts):
        super().write(**artifacts)
        if "checkpoint" in artifacts:
            n_epochs = len(artifacts["checkpoint"]["history"]["loss"])
            if n_epochs == self.interrupted_epoch:
                raise Interruption


def build_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    block = [
        layers.Conv2D(4, 3, use_bias=False),
        layers.BatchNormalization(momentum=0.8),
        layers.Dropout(0.1),
    ]
    backbone = keras.Sequential([keras.Input((12, 12, 1)), *block], name="backbone")
    faces = keras.Input((48, 48, 1))
    x = layers.GlobalAveragePooling2D()(backbone(layers.AveragePooling2D(4)(faces)))
    return keras.Model(faces, layers.Dense(len(EMOTIONS), "softmax", name="emotion")(x), name="Small")


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Return a function that trains in a folder of its own and returns the store."""
    monkeypatch.setattr(Compiling_model.run_log, "append_run", lambda store, record: None)
    rng = np.random.default_rng(0)
    faces, labels = rng.random((80, 48, 48, 1), np.float32), rng.integers(0, 7, 80)
    targets = np.eye(7, dtype=np.float32)[labels]
    model = serialization.pack(build_network())

    def train(folder: str, interrupted_epoch: int = 0, **values) -> ArtifactStore:
        store = ArtifactStore(tmp_path / folder)
        if not store.has("model"):
            store.write(source={"label": "random"}, model=model)
            store.write(train_x=faces[:64], train_y=targets[:64], val_x=faces[64:], val_y=targets[64:])
        interrupted_store = InterruptedStore(tmp_path / folder)
        interrupted_store.interrupted_epoch = interrupted_epoch
        settings = Compiling_model.Settings(**{"batch_size": 16, "verbose": 0} | values)
        if interrupted_epoch:
            with pytest.raises(Interruption):
                Compiling_model.main(settings, interrupted_store)
        else:
            Compiling_model.main(settings, interrupted_store)
        return store

    return train


@pytest.mark.parametrize("name", TRAININGS)
def test_an_interrupted_training_ends_with_the_same_weights(train, capsys, name):
    values, interrupted_epochs = TRAININGS[name]
    expected = train("uninterrupted", **values)
    for epoch in interrupted_epochs:
        train("interrupted", interrupted_epoch=epoch, **values)
    capsys.readouterr()
    resumed = train("interrupted", **values)
    assert f"Resuming after epoch {interrupted_epochs[-1]}" in capsys.readouterr().out
    assert not resumed.has("checkpoint")
    for weights in ("weights", "last_weights", "best_weights"):
        assert_same_bits(resumed.read("trained_model")[weights], expected.read("trained_model")[weights])
    history, expected_history = resumed.read("history"), expected.read("history")
    assert all(history[name] == expected_history[name] for name in history if name != "seconds")


def test_frozen_epochs_leave_the_backbone_unchanged_bit_for_bit(train):
    store = train("frozen", epochs=2, frozen_epochs=2)
    before, frozen = store.read("model")["weights"], store.read("trained_model")["weights"]
    assert_same_bits(frozen[:-2], before[:-2])
    assert all(
        not np.array_equal(after, initial) for after, initial in zip(frozen[-2:], before[-2:], strict=True)
    )
    tuned = train("tuned", **TRAININGS["frozen, then fine-tuned"][0]).read("trained_model")["weights"]
    # All weights and moving averages change once the backbone is trainable.
    assert all(not np.array_equal(after, initial) for after, initial in zip(tuned, before, strict=True))


def test_early_stopping_ends_a_training_that_does_not_improve(train):
    values = {"epochs": 40, "learning_rate": 1e-9, "early_stopping_patience": 2}
    stopped = train("stopped", **values)
    accuracies = stopped.read("history")["val_accuracy"]
    assert len(accuracies) < 40
    assert len(accuracies) - 1 - int(np.argmax(accuracies)) == 2

    train("interrupted", interrupted_epoch=len(accuracies), **values)
    resumed = train("interrupted", **values)
    assert resumed.read("history")["val_accuracy"] == accuracies
    assert_same_bits(resumed.read("trained_model")["weights"], stopped.read("trained_model")["weights"])


def test_keep_selects_the_last_or_the_best_weights(train):
    last = train("last", epochs=2, keep="last").read("trained_model")
    best = train("best", epochs=2, keep="best").read("trained_model")
    assert_same_bits(last["weights"], last["last_weights"])
    assert_same_bits(best["weights"], best["best_weights"])
    assert_same_bits(best["last_weights"], last["last_weights"])


def test_a_checkpoint_of_other_settings_is_not_used(train, capsys):
    train("project", interrupted_epoch=1, epochs=3)
    store = train("project", epochs=1, learning_rate=0.01)
    assert "starting from scratch" in capsys.readouterr().out
    assert len(store.read("history")["loss"]) == 1


def test_a_damaged_checkpoint_is_not_used(train, capsys, tmp_path):
    train("project", interrupted_epoch=1, epochs=2)
    (path,) = (tmp_path / "project").glob("checkpoint-*.pkl")
    path.write_bytes(path.read_bytes()[:-1])
    store = train("project", epochs=2)
    assert "starting from scratch" in capsys.readouterr().out
    assert len(store.read("history")["loss"]) == 2


def test_no_resume_ignores_a_checkpoint(train, capsys):
    train("project", interrupted_epoch=1, epochs=2)
    store = train("project", epochs=2, resume=False)
    assert "Resuming" not in capsys.readouterr().out
    assert len(store.read("history")["loss"]) == 2


def test_a_diverging_training_raises_and_keeps_the_trained_model(train):
    store = train("project", epochs=1)
    before = store.read("trained_model")["weights"]
    with pytest.raises(ValueError, match="learning_rate"):
        train("project", epochs=1, learning_rate=1e30, optimizer="sgd")
    assert_same_bits(store.read("trained_model")["weights"], before)
