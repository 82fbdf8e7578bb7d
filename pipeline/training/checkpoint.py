"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

import time
from typing import Any

import numpy as np

from pipeline.models.backend import keras
from pipeline.training.ema import EvaluateEMA
from pipeline.workflow.artifacts import ArtifactStore


class Checkpoint(keras.callbacks.Callback):
    """Keeps the state of a training in data/checkpoint after each epoch, and its history and best weights.

    `dependencies` is all that the result depends on; a checkpoint with others is not gone on from. After `patience`
    epochs without a better accuracy on validation the training ends; 0 lets it run. Where there is an `average`, its
    weights are the ones that count.
    """

    def __init__(self, store: ArtifactStore, dependencies: dict[str, Any], patience: int = 0):
        super().__init__()
        self.store, self.dependencies, self.patience = store, dependencies, patience
        self.average: EvaluateEMA | None = None
        self.history: dict[str, list[float]] = {}
        self.best_weights: list[np.ndarray] = []
        self.found: dict[str, Any] = {}

    def load(self) -> None:
        """Take up the history of a usable checkpoint, if there is one; its state waits for `restore`."""
        if not self.store.has("checkpoint"):
            return
        try:
            checkpoint = self.store.read("checkpoint", track=False)
        except (ValueError, FileNotFoundError) as error:
            print(f"  The checkpoint is of no use ({error}); training starts anew.")
            return
        if checkpoint["dependencies"] != self.dependencies:
            print("  The checkpoint in data/ is of another network, data or settings; training starts anew.")
            return
        self.history, self.best_weights = checkpoint["history"], checkpoint["best_weights"]
        self.found = checkpoint
        epochs = self.epochs()
        print(f"  Going on after epoch {epochs}, from the checkpoint in data/. (To start anew: --no-resume)")

    def restore(self, model: keras.Model) -> None:
        """Put the state that was found into the model, compiled for the phase of the last epoch in the history."""
        self.set_model(model)
        for variable, value in zip(self._state(), self.found["state"], strict=True):
            variable.assign(value)
        if self.average:
            self.average.weights = self.found["last_weights"]
        self.found = {}

    def epochs(self) -> int:
        """How many epochs are behind the training."""
        return len(self.history.get("loss", []))

    def best_epoch(self) -> int:
        """The first epoch, counted from 0, with the highest accuracy on validation."""
        return int(np.argmax(self.history["val_accuracy"]))

    def last_weights(self) -> list[np.ndarray]:
        """The weights as validated last: the running average where there is one."""
        return self.average.weights if self.average else self.model.get_weights()

    def has_run_out_of_patience(self) -> bool:
        epochs = self.epochs()
        return bool(self.patience and epochs and epochs - 1 - self.best_epoch() >= self.patience)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        for name, value in (figures | {"seconds": time.perf_counter() - self.started}).items():
            self.history.setdefault(name, []).append(value)
        if self.best_epoch() == epoch:
            self.best_weights = self.last_weights()
        self.keep([keras.ops.convert_to_numpy(variable) for variable in self._state()])
        if self.has_run_out_of_patience():
            self.model.stop_training = True

    def keep(self, state: list[np.ndarray]) -> None:
        """Write it all into data/."""
        self.store.write(
            checkpoint={
                "dependencies": self.dependencies,
                "history": self.history,
                "best_weights": self.best_weights,
                "last_weights": self.last_weights() if self.average else [],
                "state": state,
            }
        )

    def _state(self) -> list[keras.Variable]:
        """All that training changes: weights, the seeds of random layers, and the optimizer's memory."""
        model = self.model
        model.optimizer.build(model.trainable_variables)
        layers = model._flatten_layers(include_self=False)
        seeds = [layer.seed_generator.state for layer in layers if hasattr(layer, "seed_generator")]
        return [*model.weights, *seeds, *model.optimizer.variables]
