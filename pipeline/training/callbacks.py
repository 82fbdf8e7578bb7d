"""Stop a training that diverges, report the time left, and choose how `fit` shows its progress."""

import math
import sys
import time
from collections.abc import Callable

import numpy as np

from pipeline.models.backend import keras
from pipeline.training.batches import ShuffledBatches


class StopOnNaN(keras.callbacks.Callback):
    """Raise ValueError as soon as the training loss is NaN or infinite."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss is {loss} at batch {batch + 1}: training has diverged. Try a lower learning_rate. "
                "The previous trained model in data/ is unchanged."
            )


class ReportTimeLeft(keras.callbacks.Callback):
    """Print before an epoch how long it and the following ones will take, at most once in INTERVAL_S.

    Prints nothing if `fit` is silent. It prints before an epoch because `fit` calls it before its own progress bar.

    Args:
        n_epochs: Number of the last epoch of the training, which may have several calls of `fit`.
        clock: Returns the time in seconds.
    """

    INTERVAL_S = 10.0

    def __init__(self, n_epochs: int, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self.n_epochs, self.clock = n_epochs, clock
        self.started_s, self.start_epoch, self.n_begun = 0.0, 0, 0
        self.printed_s = -math.inf

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        now_s = self.clock()
        if self.n_begun and self.params["verbose"] and now_s - self.printed_s >= self.INTERVAL_S:
            self.printed_s = now_s
            seconds = (self.n_epochs - epoch) * (now_s - self.started_s) / (epoch - self.start_epoch)
            print(f"  {epoch} of {self.n_epochs} epochs; {format_duration(seconds)} left", flush=True)
        if self.n_begun < 2:  # the first epoch is slower, because it traces and compiles: estimate without it
            self.started_s, self.start_epoch = now_s, epoch
        self.n_begun += 1


def build_callbacks(batches: ShuffledBatches, n_epochs: int) -> list[keras.callbacks.Callback]:
    """Return the callbacks that start the epochs of the batches, stop at NaN and report the time left."""
    start_epoch = keras.callbacks.LambdaCallback(on_epoch_begin=batches.start_epoch)
    return [start_epoch, StopOnNaN(), ReportTimeLeft(n_epochs)]


def format_duration(seconds: float) -> str:
    """Return a duration such as "40 s", "3 min" or "2 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def choose_verbosity(verbose: int) -> int:
    """Return the `verbose` argument for `fit`: a line per epoch in place of a progress bar outside a terminal."""
    return 2 if verbose == 1 and not sys.stdout.isatty() else verbose
