"""Build the learning rate schedule: constant, or linear warm-up followed by cosine decay."""

from typing import Literal

from pipeline.models.backend import keras

Schedule = Literal["constant", "cosine"]


def build_schedule(
    peak: float, schedule: Schedule, warmup_epochs: float, epochs: int, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return a learning rate, or a schedule of it over the steps of a training phase.

    Args:
        peak: Highest learning rate.
        schedule: "constant", or "cosine": decays from `peak` to 0 by the last step (Loshchilov and Hutter, "SGDR:
            Stochastic Gradient Descent with Warm Restarts", 2017, without restarts).
        warmup_epochs: Epochs of linear increase from 0 to `peak`, for "cosine" only.
        epochs: Epochs of the phase, warm-up included.
        steps_per_epoch: Batches per epoch.
    """
    if schedule == "constant":
        return peak
    if schedule != "cosine":
        raise ValueError(f"Unknown schedule: {schedule!r}.")
    warmup_steps = round(warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else peak,
        decay_steps=epochs * steps_per_epoch - warmup_steps,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
