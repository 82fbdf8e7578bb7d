"""Fine-tune a pretrained backbone: train the head on the frozen backbone first, then all layers."""

from dataclasses import dataclass
from typing import Any

from pipeline.models import serialization
from pipeline.models.backend import keras
from pipeline.training.schedules import Schedule


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs with one optimizer: from epoch `start` to before epoch `stop`, counted from 0."""

    start: int
    stop: int
    learning_rate: float  # highest value
    schedule: Schedule
    is_frozen: bool  # whether the backbone is frozen


def check_phases(settings: Any) -> None:
    """Raise ValueError for numbers of epochs that do not fit together."""
    if settings.frozen_epochs > settings.epochs:
        raise ValueError(
            f"frozen_epochs is {settings.frozen_epochs}, but must not exceed epochs, which is {settings.epochs}."
        )
    scheduled_epochs = settings.epochs - settings.frozen_epochs
    if settings.schedule == "cosine" and scheduled_epochs and settings.warmup_epochs >= scheduled_epochs:
        remaining = " after frozen_epochs" if settings.frozen_epochs else ""
        raise ValueError(
            f"warmup_epochs is {settings.warmup_epochs}, but must be less than the number of epochs{remaining}, "
            f"which is {scheduled_epochs}."
        )


def split_into_phases(settings: Any) -> list[Phase]:
    """Return the phases of a training: one, or with frozen_epochs a frozen phase and a fine-tuning phase."""
    frozen, epochs = settings.frozen_epochs, settings.epochs
    learning_rate = settings.fine_tuning_learning_rate if frozen else settings.learning_rate
    phases = (
        Phase(0, frozen, settings.learning_rate, "constant", is_frozen=True),
        Phase(frozen, epochs, learning_rate, settings.schedule, is_frozen=False),
    )
    return [phase for phase in phases if phase.start < phase.stop]


def prepare_backbone(model: keras.Model, phase: Phase) -> None:
    """Freeze or unfreeze the backbone of a model, the networks among its layers; compile the model afterwards.

    Batch normalization in a frozen backbone normalizes by its moving averages and leaves them unchanged.

    Raises:
        ValueError: If the model has no backbone.
    """
    backbones = serialization.get_backbones(model)
    if not backbones:
        raise ValueError(
            f"frozen_epochs requires a network with a backbone, but {model.name} has none. Build one with "
            "Transfer_Learning_model.py, or set frozen_epochs to 0."
        )
    for backbone in backbones:
        backbone.trainable = not phase.is_frozen
    state = "frozen" if phase.is_frozen else "trainable"
    print(f"  Epochs {phase.start + 1} to {phase.stop}: backbone {state}", flush=True)
