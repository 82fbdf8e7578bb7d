"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

import numpy as np

from pipeline.models.backend import keras


class StopOnNaN(keras.callbacks.Callback):
    """Ends a training whose loss has become infinite or no number, which never mends itself."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss is {loss} at batch {batch + 1}: the training has diverged. Try a lower learning_rate. "
                "The trained model that was in data/ before is still there."
            )
