"""Build the optimizer of a training phase, and compile a network with it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from pipeline.models.backend import keras
from pipeline.training.fine_tuning import Phase, split_into_phases
from pipeline.training.schedules import build_schedule

SGD_MOMENTUM = 0.9
# Training steps between two calls of the callbacks. A return to Python after each step takes a fifth of LeNet-5's
# training time; the weights are the same, bit for bit.
STEPS_PER_EXECUTION = 16


def check_optimizer(settings: Any) -> None:
    """Raise ValueError for a weight decay with an optimizer that has none."""
    if settings.weight_decay and settings.optimizer == "adam":
        raise ValueError("weight_decay requires the optimizer adamw or sgd; adam has none.")


def build_optimizer(settings: Any, phase: Phase, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a training phase, with its learning rate schedule.

    Args:
        settings: Settings of step 8; reads optimizer, weight_decay, warmup_epochs and ema_momentum.
        phase: Gives the learning rate, the schedule and the number of epochs.
        steps_per_epoch: Batches per epoch.
    """
    n_epochs = phase.stop - phase.start
    learning_rate = build_schedule(
        phase.learning_rate, phase.schedule, settings.warmup_epochs, n_epochs, steps_per_epoch
    )
    # The new head on a frozen backbone learns within a few steps; an EMA would lag behind it.
    use_ema = bool(settings.ema_momentum) and not phase.is_frozen
    ema = {"use_ema": True, "ema_momentum": settings.ema_momentum} if use_ema else {}
    match settings.optimizer:
        case "adam":
            return keras.optimizers.Adam(learning_rate, **ema)
        case "adamw":
            return keras.optimizers.AdamW(learning_rate, weight_decay=settings.weight_decay, **ema)
        case "sgd":
            decay = {"weight_decay": settings.weight_decay or None}
            return keras.optimizers.SGD(learning_rate, SGD_MOMENTUM, nesterov=True, **decay, **ema)
    raise ValueError(f"Unknown optimizer: {settings.optimizer!r}.")


def compile_for_phase(model: keras.Model, settings: Any, phase: Phase, steps_per_epoch: int) -> None:
    """Compile a network for a training phase: its optimizer, and cross-entropy with label smoothing.

    Args:
        model: The network.
        settings: Settings of step 8; reads those of `build_optimizer` and label_smoothing.
        phase: As for `build_optimizer`.
        steps_per_epoch: Batches per epoch.
    """
    model.compile(
        optimizer=build_optimizer(settings, phase, steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=STEPS_PER_EXECUTION if keras.backend.backend() == "tensorflow" else 1,
    )


def compile_trained(model: keras.Model, settings: dict[str, Any]) -> None:
    """Compile a trained network as step 8 does, so that evaluate() and fit() work, but with a constant learning rate.

    Args:
        model: The network.
        settings: Those of step 8, by name.
    """
    without_ema = SimpleNamespace(**settings | {"ema_momentum": 0.0})
    phase = replace(split_into_phases(without_ema)[-1], schedule="constant")
    optimizer = build_optimizer(without_ema, phase, steps_per_epoch=1)
    model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
