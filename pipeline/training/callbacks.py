"""Stop a training that diverges, and choose how `fit` shows its progress."""

import sys

import numpy as np

from pipeline.models.backend import keras


class StopOnNaN(keras.callbacks.Callback):
    """Raise ValueError as soon as the training loss is NaN or infinite."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss is {loss} at batch {batch + 1}: training has diverged. Try a lower learning_rate. "
                "The previous trained model in data/ is unchanged."
            )


def choose_verbosity(verbose: int) -> int:
    """Return the `verbose` argument for `fit`: a line per epoch in place of a progress bar outside a terminal."""
    return 2 if verbose == 1 and not sys.stdout.isatty() else verbose
