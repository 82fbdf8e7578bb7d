"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

import numpy as np

from pipeline.models.backend import keras


def build_schedule(
    peak: float, schedule: str, warmup_epochs: float, epochs: int, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate over a training: "constant", or "cosine", from `peak` to 0 after a straight warm-up."""
    if schedule == "constant":
        return peak
    warmup = round(warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=epochs * steps_per_epoch - warmup,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )


def class_weights(labels: np.ndarray) -> dict[int, float]:
    """Weights that make all emotions count the same, as scikit-learn's "balanced"; labels (N, 7), one-hot."""
    counts = labels.sum(axis=0)
    return {label: float(len(labels) / (len(counts) * count)) for label, count in enumerate(counts) if count}
