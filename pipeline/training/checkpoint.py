"""Save the state of a training after each epoch, and resume from it with the same result, bit for bit."""

import dataclasses
import time
from typing import Any

import numpy as np

from pipeline.models.backend import keras
from pipeline.training.distributed import SingleProcess
from pipeline.training.ema import EvaluateEMA
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.fingerprint import compute_fingerprint
from pipeline.workflow.steps import ROOT

# Settings that do not change the weights, so that a checkpoint with other values of them is usable.
NEUTRAL_SETTINGS = (
    "resume",
    "verbose",
    "keep",
    "calibrate",
    "distribute",
    "num_processes",
    "process_id",
    "coordinator",
)


def collect_dependencies(settings: Any, store: ArtifactStore) -> dict[str, Any]:
    """Return what determines the trained weights: settings, hashes of inputs and teachers, and Keras's backend."""
    values = dataclasses.asdict(settings)
    for name in NEUTRAL_SETTINGS:
        del values[name]
    values["teachers"] = [compute_fingerprint(ROOT / path)["sha256"] for path in settings.teachers]
    return {"settings": values, "inputs": dict(store.inputs), "backend": keras.backend.backend()}


class Checkpoint(keras.callbacks.Callback):
    """Write the artifact `checkpoint` after each epoch; keep the history and the best weights; stop early.

    Args:
        store: Where the checkpoint is written.
        dependencies: From `collect_dependencies`; a checkpoint with other dependencies is not used.
        strategy: Shares a checkpoint among the processes of a distributed training; the coordinator writes it.
        ema: Gives the weights that were validated.
        patience: Epochs without a better validation accuracy after which training stops; 0 never stops it.

    Attributes:
        history: {metric: value of each epoch}, from all epochs before and after a resume.
        last_weights: Weights as validated in the last epoch.
        best_weights: Weights of the first epoch with the highest validation accuracy.
    """

    def __init__(
        self,
        store: ArtifactStore,
        dependencies: dict[str, Any],
        strategy: SingleProcess,
        ema: EvaluateEMA,
        patience: int = 0,
    ):
        super().__init__()
        self.store, self.dependencies, self.strategy = store, dependencies, strategy
        self.ema, self.patience = ema, patience
        self.history: dict[str, list[float]] = {}
        self.last_weights: list[np.ndarray] = []
        self.best_weights: list[np.ndarray] = []
        self._loaded: dict[str, Any] = {}

    @property
    def n_epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.history.get("loss", []))

    @property
    def best_epoch(self) -> int:
        """First epoch, counted from 0, with the highest validation accuracy."""
        return int(np.argmax(self.history["val_accuracy"]))

    @property
    def has_stopped_early(self) -> bool:
        """Whether the validation accuracy has not improved for `patience` epochs."""
        return 0 < self.patience < self.n_epochs and self.n_epochs - 1 - self.best_epoch >= self.patience

    def load(self) -> None:
        """Load a checkpoint that matches the dependencies, if there is one; `restore` applies it to the model."""
        self._loaded = self.strategy.broadcast(self._read() if self.strategy.is_coordinator else {})
        if self._loaded:
            self.history = self._loaded["history"]
            self.last_weights, self.best_weights = self._loaded["last_weights"], self._loaded["best_weights"]

    def _read(self) -> dict[str, Any]:
        if not self.store.has("checkpoint"):
            return {}
        try:
            checkpoint = self.store.read("checkpoint", track=False)
        except (ValueError, FileNotFoundError) as error:
            print(f"  Checkpoint cannot be read ({error}); starting from scratch.", flush=True)
            return {}
        if checkpoint["dependencies"] != self.dependencies:
            print("  Checkpoint does not match these settings; starting from scratch.", flush=True)
            return {}
        n_epochs = len(checkpoint["history"]["loss"])
        print(f"  Resuming after epoch {n_epochs} from data/checkpoint (--no-resume starts from scratch).")
        return checkpoint

    def restore(self, model: keras.Model, phase_start: int) -> None:
        """Set a compiled model, and its optimizer unless its phase starts here, to the state that `load` found."""
        if not self._loaded:
            return
        variables, values = get_model_variables(model), self._loaded["model_state"]
        if self.n_epochs > phase_start:
            model.optimizer.build(model.trainable_variables)
            variables = variables + model.optimizer.variables
            values = values + self._loaded["optimizer_state"]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self._loaded = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch_started_s = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        metrics["seconds"] = time.perf_counter() - self.epoch_started_s
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(value)
        self.last_weights = self.ema.get_validated_weights()
        if self.best_epoch == epoch:
            self.best_weights = self.last_weights
        if self.strategy.is_coordinator:
            self._write()
        if self.has_stopped_early:
            self.model.stop_training = True

    def _write(self) -> None:
        to_numpy = keras.ops.convert_to_numpy
        self.store.write(
            checkpoint={
                "dependencies": self.dependencies,
                "history": self.history,
                "last_weights": self.last_weights,
                "best_weights": self.best_weights,
                "model_state": [to_numpy(variable) for variable in get_model_variables(self.model)],
                "optimizer_state": [to_numpy(variable) for variable in self.model.optimizer.variables],
            }
        )


def get_model_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the weights of a model and the states of the random generators of its layers, such as dropout."""
    layers = model._flatten_layers(include_self=False)
    generators = [layer.seed_generator for layer in layers if hasattr(layer, "seed_generator")]
    return [*model.weights, *(generator.state for generator in generators)]
