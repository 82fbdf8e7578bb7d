"""Checkpoints: an interrupted training resumes and ends with the same weights, bit for bit, after any epoch.

The trainings run in this process, on a small network with a backbone, batch normalization and dropout.
"""

import numpy as np
import pytest
from helpers import assert_same_bits, list_checkpoints

import Compiling_model
from pipeline.data.fer2013 import EMOTIONS
from pipeline.models import serialization
from pipeline.models.backend import keras
from pipeline.training.checkpoint import MAX_CHECKPOINTS, Checkpoint
from pipeline.training.distributed import SingleProcess
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
TRACED = "frozen, then fine-tuned"  # the training that is not run eagerly
TEACHERS = ("models/LeNet-5_baseline.keras",)
TRAININGS = {  # name: (settings, epochs after which it is interrupted)
    "adam": ({"epochs": 3}, (1, 3)),
    "sgd": ({"epochs": 3, "optimizer": "sgd", "early_stopping_patience": 2, "keep": "best"}, (2,)),
    "augmented": ({**ADAMW, **AUGMENTED, "label_smoothing": 0.1}, (2,)),
    "ema and distillation": ({**ADAMW, "ema_momentum": 0.9, "teachers": TEACHERS}, (2, 3)),
    TRACED: ({**ADAMW, "epochs": 4, "frozen_epochs": 2, "ema_momentum": 0.9}, (1, 2, 3)),
}


class Interruption(Exception):
    pass


class InterruptedStore(ArtifactStore):
    """Raises Interruption once the checkpoint of an epoch is written."""

    interrupted_epoch = 0

    def write(self, **artifacts):
        super().write(**artifacts)
        for name, value in artifacts.items():
            if name.startswith("checkpoint_") and len(value["history"]["loss"]) == self.interrupted_epoch:
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


@pytest.fixture(autouse=True)
def run_eagerly(request, monkeypatch) -> None:
    """Do not trace, which takes most of the time of a short training, but for one; test_compiling_model.py traces."""
    if f"[{TRACED}]" not in request.node.name:
        compile_model = keras.Model.compile
        monkeypatch.setattr(
            keras.Model, "compile", lambda self, **values: compile_model(self, run_eagerly=True, **values)
        )


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Return a function that trains in a folder of its own and returns the store."""
    monkeypatch.setattr(Compiling_model.run_log, "append_run", lambda store, record: None)
    rng = np.random.default_rng(0)
    faces, labels = rng.random((80, 48, 48, 1), np.float32), rng.integers(0, 7, 80)
    targets = np.eye(7, dtype=np.float32)[labels]
    model = serialization.pack(build_network())

    def train(
        folder: str, interrupted_epoch: int = 0, arguments: tuple[str, ...] = (), **values
    ) -> ArtifactStore:
        store = ArtifactStore(tmp_path / folder)
        if not store.has("model"):
            store.write(source={"label": "random"}, emotions=EMOTIONS, model=model)
            store.write(train_x=faces[:64], train_y=targets[:64], val_x=faces[64:], val_y=targets[64:])
        interrupted_store = InterruptedStore(tmp_path / folder, "Compiling_model.py", arguments=arguments)
        interrupted_store.interrupted_epoch = interrupted_epoch
        settings = Compiling_model.Settings(**{"batch_size": 16, "verbose": 0} | values)
        if interrupted_epoch:
            with pytest.raises(Interruption):
                Compiling_model.main(settings, interrupted_store)
        else:
            Compiling_model.main(settings, interrupted_store)
            interrupted_store.record_step(code="")
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
    assert not list_checkpoints(resumed)
    for weights in ("weights", "last_weights", "best_weights"):
        assert_same_bits(resumed.read("trained_model")[weights], expected.read("trained_model")[weights])
    history, expected_history = resumed.read("history"), expected.read("history")
    assert all(history[name] == expected_history[name] for name in history if name != "seconds")


def test_another_seed_gives_other_weights(train):
    first, second = (
        train(f"seed {seed}", epochs=1, seed=seed).read("trained_model")["weights"] for seed in (0, 1)
    )
    assert first[0].tobytes() != second[0].tobytes()


def test_frozen_epochs_leave_the_backbone_unchanged_bit_for_bit(train):
    store = train("frozen", epochs=2, frozen_epochs=2)
    before, frozen = store.read("model")["weights"], store.read("trained_model")["weights"]
    assert_same_bits(frozen[:-2], before[:-2])
    assert all(
        not np.array_equal(after, initial) for after, initial in zip(frozen[-2:], before[-2:], strict=True)
    )
    tuned = train("tuned", **TRAININGS[TRACED][0]).read("trained_model")["weights"]
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


@pytest.mark.parametrize(
    "other",
    [{"learning_rate": 0.01}, {"batch_size": 8}, {"seed": 1}, {"schedule": "cosine"}, {"flip": True}],
    ids=str,
)
def test_a_training_with_other_settings_leaves_a_checkpoint_alone(train, capsys, other):
    train("project", interrupted_epoch=1, arguments=("--epochs", "2"), epochs=2)
    (name,) = list_checkpoints(train("project", epochs=1, **other))
    printed = capsys.readouterr().out
    assert "Continue it with: python3 Compiling_model.py --epochs 2" in printed and "Resuming" not in printed
    store = train("project", epochs=2)
    assert "Resuming after epoch 1" in capsys.readouterr().out and not store.has(name)


def test_of_many_unfinished_trainings_the_oldest_are_deleted_with_a_message(train, capsys):
    store = train("project", interrupted_epoch=1, epochs=2)
    for seed in range(MAX_CHECKPOINTS + 1):
        arguments = ("--seed", str(seed))
        other = ArtifactStore(store.folder, "Compiling_model.py", arguments=arguments)
        other.write(**{f"checkpoint_{seed}": seed})
    capsys.readouterr()
    train("project", epochs=2)
    deleted = [line for line in capsys.readouterr().out.splitlines() if "deleted" in line]
    assert [line.rpartition(" ")[2] for line in deleted] == ["0", "1"]
    assert list_checkpoints(store) == [f"checkpoint_{seed}" for seed in range(2, MAX_CHECKPOINTS + 1)]


# --------------------------------------------------------------------------------------------------
# Shorter, longer, finished, and from saved weights
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_with_a_constant_schedule_an_interrupted_training_can_be_shortened_and_extended(train, epochs):
    train("project", interrupted_epoch=2, epochs=4)
    resumed = train("project", epochs=epochs, early_stopping_patience=9)
    n_epochs = max(epochs, 2)  # an epoch that is done is kept
    assert len(resumed.read("history")["loss"]) == n_epochs
    expected = train("uninterrupted", epochs=n_epochs).read("trained_model")["weights"]
    assert_same_bits(resumed.read("trained_model")["weights"], expected)


def test_with_a_cosine_schedule_another_number_of_epochs_is_another_training(train):
    train("project", interrupted_epoch=2, epochs=4, schedule="cosine")
    store = train("project", epochs=3, schedule="cosine")
    assert len(list_checkpoints(store)) == 1 and len(store.read("history")["loss"]) == 3


@pytest.mark.parametrize(
    "values", [{}, {"keep": "best"}, {"schedule": "cosine"}, {"frozen_epochs": 3}], ids=str
)
def test_finish_saves_the_network_of_the_checkpoint(train, values):
    train("project", interrupted_epoch=2, epochs=5, **values)
    store = train("project", epochs=5, finish=True, **values)
    assert len(store.read("history")["loss"]) == 2 and not list_checkpoints(store)
    if "schedule" not in values and "frozen_epochs" not in values:
        expected = train("two epochs", epochs=2, **values).read("trained_model")["weights"]
        assert_same_bits(store.read("trained_model")["weights"], expected)


def test_finish_makes_no_predictions_with_the_teachers(train, monkeypatch):
    train("project", interrupted_epoch=1, epochs=2, teachers=TEACHERS)
    monkeypatch.setattr("pipeline.evaluation.predict.predict_proba", lambda *_, **__: pytest.fail("predicts"))
    monkeypatch.setattr(Compiling_model, "describe_constant_prediction", lambda *_: "")
    store = train("project", epochs=2, finish=True, teachers=TEACHERS)
    assert len(store.read("history")["loss"]) == 1


@pytest.mark.parametrize("interrupted", [False, True])
def test_finish_without_a_checkpoint_names_the_unfinished_trainings(train, interrupted):
    if interrupted:
        train("project", interrupted_epoch=1, arguments=("--seed", "1"), epochs=2, seed=1)
    remedy = r"python3 Compiling_model\.py --seed 1 --finish" if interrupted else "Train first"
    with pytest.raises(ValueError, match=remedy):
        train("project", epochs=2, finish=True)


def test_a_training_starts_from_saved_weights(train, tmp_path):
    path = tmp_path / "saved.keras"
    saved = build_network()
    saved.set_weights([weights + 1 for weights in saved.get_weights()])
    serialization.save_model(saved, path)
    store = train("project", init_from=str(path), epochs=1, learning_rate=1e-12)
    trained, initial = store.read("trained_model")["weights"], saved.get_weights()
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(trained[-2:], initial[-2:], strict=True))
    saved.set_weights([weights * 2 for weights in initial])
    serialization.save_model(saved, path)
    with pytest.raises(ValueError, match=r"stale: saved\.keras"):
        ArtifactStore(store.folder).read("trained_model")


@pytest.mark.parametrize("kind", ["other network", "missing", "no model"])
def test_unsuitable_initial_weights_are_named(train, tmp_path, kind):
    path = tmp_path / "saved.keras"
    if kind == "other network":
        serialization.save_model(keras.Sequential([keras.Input((3,)), keras.layers.Dense(7)]), path)
    if kind == "no model":
        path.write_text("text", encoding="utf-8")
    with pytest.raises((ValueError, FileNotFoundError), match=r"saved\.keras"):
        train("project", init_from=str(path), epochs=1)


def test_a_network_that_predicts_one_emotion_for_all_faces_is_reported(train, capsys):
    train("learns nothing", epochs=1, learning_rate=1e-12)
    assert "predicts" in capsys.readouterr().out


@pytest.mark.parametrize("n_epochs", [0, 1, 17])
def test_ctrl_c_names_the_command_that_keeps_the_network(tmp_path, capsys, n_epochs):
    store = ArtifactStore(tmp_path, "Compiling_model.py", arguments=("--recipe", "augmented"))
    checkpoint = Checkpoint(store, {}, SingleProcess(), ema=None)
    checkpoint.history = {"loss": [1.0] * n_epochs}
    with pytest.raises(KeyboardInterrupt), checkpoint.explain_interruption():
        raise KeyboardInterrupt
    command = "python3 Compiling_model.py --recipe augmented --finish"
    assert (command in capsys.readouterr().out) == bool(n_epochs)


# --------------------------------------------------------------------------------------------------
# Checkpoints that are not used
# --------------------------------------------------------------------------------------------------


def test_a_damaged_checkpoint_is_not_used(train, capsys, tmp_path):
    train("project", interrupted_epoch=1, epochs=2)
    (path,) = (tmp_path / "project").glob("checkpoint_*.pkl")
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
