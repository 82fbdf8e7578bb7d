"""Learning rate schedules, optimizers and class weights, against hand arithmetic and scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import assert_same_bits
from sklearn.utils.class_weight import compute_class_weight

from pipeline.models.backend import keras
from pipeline.training.class_weights import balance_classes
from pipeline.training.fine_tuning import Phase
from pipeline.training.optimizers import build_optimizer, compile_for_phase, compile_trained
from pipeline.training.schedules import build_schedule


def test_learning_rate_rises_linearly_and_decays_as_a_cosine():
    schedule = build_schedule(0.1, "cosine", warmup_epochs=2, epochs=10, steps_per_epoch=5)
    expected = [0.1 * step / 10 for step in range(10)]
    expected += [0.1 * (1 + np.cos(np.pi * step / 40)) / 2 for step in range(41)]
    np.testing.assert_allclose([float(schedule(step)) for step in range(51)], expected, atol=1e-6)


def test_constant_learning_rate_ignores_the_warmup():
    assert build_schedule(0.1, "constant", warmup_epochs=2, epochs=10, steps_per_epoch=5) == 0.1


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", keras.optimizers.Adam), ("adamw", keras.optimizers.AdamW), ("sgd", keras.optimizers.SGD)],
)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_optimizer_keeps_an_ema_unless_the_backbone_is_frozen(name, kind, is_frozen):
    settings = SimpleNamespace(
        optimizer=name, weight_decay=0.05 * (name != "adam"), warmup_epochs=0, ema_momentum=0.9
    )
    optimizer = build_optimizer(settings, Phase(0, 2, 0.01, "constant", is_frozen), steps_per_epoch=5)
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    assert optimizer.use_ema is not is_frozen
    if name != "adam":
        assert optimizer.weight_decay == 0.05


def test_class_weights_are_scikit_learns_balanced_ones(rng):
    labels = rng.integers(0, 7, 500)
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    weights = balance_classes(np.eye(7, dtype=np.float32)[labels])
    np.testing.assert_allclose([weights[label] for label in range(7)], expected, rtol=1e-12)


def test_class_weights_leave_out_absent_classes():
    assert balance_classes(np.eye(7, dtype=np.float32)[[0, 0, 3]]) == {0: 0.75, 3: 1.5}


@pytest.mark.parametrize(("frozen_epochs", "learning_rate"), [(0, 0.02), (1, 0.003)])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_trained_network_is_compiled_with_its_optimizer_and_last_learning_rate(
    name, frozen_epochs, learning_rate
):
    settings = {
        "optimizer": name, "epochs": 3, "frozen_epochs": frozen_epochs, "learning_rate": 0.02,
        "fine_tuning_learning_rate": 0.003, "schedule": "cosine", "warmup_epochs": 1,
        "weight_decay": 0.0, "ema_momentum": 0.999,
    }  # fmt: skip
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(7, activation="softmax")])
    compile_trained(model, settings)
    assert type(model.optimizer).__name__.lower() == name and not model.optimizer.use_ema
    assert float(model.optimizer.learning_rate) == pytest.approx(learning_rate)
    before = model.get_weights()[0]
    history = model.fit(np.ones((8, 3)), np.eye(7)[np.arange(8) % 7], verbose=0).history
    assert set(history) == {"loss", "accuracy"} and not np.array_equal(model.get_weights()[0], before)


@pytest.mark.slow
def test_several_steps_per_execution_give_the_same_weights(rng):
    """35 steps, of which the last three do not fill an execution."""
    faces, targets = rng.random((140, 48, 48, 1), np.float32), np.eye(140, 7, dtype=np.float32)
    settings = SimpleNamespace(
        optimizer="adam", weight_decay=0, warmup_epochs=0, ema_momentum=0.0, label_smoothing=0.0
    )
    phase = Phase(0, 2, 0.001, "constant", is_frozen=False)
    weights = []
    for n_steps in (16, 1):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((48, 48, 1)),
                keras.layers.Conv2D(2, 5, 4, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(7, "softmax"),
            ]
        )
        compile_for_phase(model, settings, phase, steps_per_epoch=35)
        assert model.steps_per_execution == (16 if keras.backend.backend() == "tensorflow" else 1)
        model.steps_per_execution = n_steps
        model.fit(faces, targets, batch_size=4, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    assert_same_bits(*weights)
