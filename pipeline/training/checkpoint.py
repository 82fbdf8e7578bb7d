"""Save the state of a training after each epoch, and resume from it with the same result, bit for bit.

Each training has a checkpoint of its own, named after what determines its weights: a training with other settings
or other faces leaves it alone.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models.backend import keras
from pipeline.training.distributed import SingleProcess
from pipeline.training.ema import EvaluateEMA
from pipeline.training.trial import Trial, open_trial
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.formatting import format_command
from pipeline.workflow.steps import ROOT

MAX_CHECKPOINTS = 5  # of unfinished trainings that are kept; older ones are deleted
PREFIX = "checkpoint_"
# Settings that do not change the weights of an epoch, so that a checkpoint with other values of them is usable.
NEUTRAL_SETTINGS = (
    *("recipe", "resume", "finish", "verbose", "keep", "calibrate", "early_stopping_patience"),
    *("distribute", "num_processes", "process_id", "coordinator", "trial"),
)
SCHEDULE_SETTINGS = ("epochs", "warmup_epochs")  # neutral too where the learning rate is constant


def collect_dependencies(settings: Any, store: ArtifactStore) -> dict[str, Any]:
    """Return what determines the weights of each epoch: settings, hashes of inputs and files, and Keras's backend.

    Records the files of teachers and of `init_from` as inputs of what `store` writes.
    """
    values = dataclasses.asdict(settings)
    for name in NEUTRAL_SETTINGS + (SCHEDULE_SETTINGS if settings.schedule == "constant" else ()):
        del values[name]
    values["teachers"] = [store.add_dependency(ROOT / path)["sha256"] for path in settings.teachers]
    if settings.init_from:
        path = Path(settings.init_from).expanduser().absolute()
        values["init_from"] = store.add_dependency(path)["sha256"]
    return {"settings": values, "inputs": dict(store.inputs), "backend": keras.backend.backend()}


class Checkpoint(keras.callbacks.Callback):
    """Write the artifact `checkpoint_<hash>` after each epoch; keep the history and the best weights; stop early.

    Args:
        store: Where the checkpoint is written.
        dependencies: From `collect_dependencies`; the checkpoint is named after their hash.
        strategy: Shares a checkpoint among the processes of a distributed training; the coordinator writes it.
        ema: Gives the weights that were validated.
        patience: Epochs without a better validation accuracy after which training stops; 0 never stops it.

    Attributes:
        name: Of the artifact.
        trial: Of the hyperparameter search that started this training; it learns the validation accuracies.
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
        self.trial: Trial | None = None
        digest = hashlib.sha256(json.dumps(dependencies, sort_keys=True).encode()).hexdigest()
        self.name = f"{PREFIX}{digest[:12]}"
        self.history: dict[str, list[float]] = {}
        self.last_weights: list[np.ndarray] = []
        self.best_weights: list[np.ndarray] = []
        self._loaded: dict[str, Any] = {}

    @property
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Callbacks for `fit`, in the order in which they must be called."""
        return [*self.strategy.callbacks, self.ema, self]

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
        """Whether the validation accuracy has not improved for `patience` epochs, or the search prunes the trial."""
        if self.trial and self.trial.is_pruned:
            return True
        return 0 < self.patience < self.n_epochs and self.n_epochs - 1 - self.best_epoch >= self.patience

    def load(self, settings: Any) -> None:
        """Load a checkpoint that matches the dependencies, if there is one; `restore` applies it to the model.

        Connects to the hyperparameter search that the training is a trial of.

        Args:
            settings: Settings of step 8; reads epochs, resume, finish and trial.

        Raises:
            ValueError: If there is nothing to finish; names the unfinished trainings with other settings.
        """
        self.trial = open_trial(settings.trial, self.store.folder)
        others = self._list_others()
        for command in [] if settings.finish else others.values():
            print(f"  An unfinished training with other settings is kept. Continue it with: {command}")
        if not settings.resume and not settings.finish:
            return
        self._loaded = self.strategy.broadcast(self._read() if self.strategy.is_coordinator else {})
        if self._loaded:
            self.history = self._loaded["history"]
            self.last_weights, self.best_weights = self._loaded["last_weights"], self._loaded["best_weights"]
        if self.n_epochs > settings.epochs and self.strategy.is_coordinator:
            print(f"  It has more than {settings.epochs} epochs and is not trained further.", flush=True)
        if settings.finish and not self._loaded:
            commands = " or ".join(f"{command} --finish" for command in others.values())
            remedy = f"Use the flags of the training to finish: {commands}" if others else "Train first."
            raise ValueError(
                f"finish needs the checkpoint of an unfinished training with these settings. {remedy}"
            )

    def _read(self) -> dict[str, Any]:
        if not self.store.has(self.name):
            return {}
        try:
            checkpoint = self.store.read(self.name, track=False)
        except (ValueError, FileNotFoundError) as error:
            print(f"  Checkpoint cannot be read ({error}); starting from scratch.", flush=True)
            return {}
        if checkpoint["dependencies"] != self.dependencies:
            print("  Checkpoint does not match these settings; starting from scratch.", flush=True)
            return {}
        n_epochs = len(checkpoint["history"]["loss"])
        print(f"  Resuming after epoch {n_epochs} from the checkpoint (--no-resume starts from scratch).")
        return checkpoint

    @contextmanager
    def explain_interruption(self) -> Iterator[None]:
        """After Ctrl-C, print how to continue the training and how to keep the network as it is."""
        try:
            yield
        except KeyboardInterrupt:
            if self.n_epochs:
                command = format_command(self.store.script, [*self.store.arguments, "--finish"])
                print(
                    f"\n  Stopped after epoch {self.n_epochs}. To keep this network, run: {command}",
                    flush=True,
                )
            raise

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

    def select_weights(self, keep: str) -> dict[str, Any]:
        """Return the weights of a packed model: those of the "last" or "best" epoch, and both of these."""
        weights = {"last_weights": self.last_weights, "best_weights": self.best_weights}
        return weights | {"weights": weights[f"{keep}_weights"], "keep": keep}

    def finish_trial(self, keep: str) -> None:
        """Record the trial with the validation accuracy of the "last" or "best" epoch; delete the checkpoint."""
        assert self.trial
        accuracies = self.history["val_accuracy"]
        self.trial.finish(accuracies[-1] if keep == "last" else max(accuracies))
        self.store.remove(self.name)

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
        if self.trial:
            self.trial.report(self.history["val_accuracy"])
        if self.has_stopped_early:
            self.model.stop_training = True

    def _write(self) -> None:
        to_numpy = keras.ops.convert_to_numpy
        checkpoint = {
            "dependencies": self.dependencies,
            "history": self.history,
            "last_weights": self.last_weights,
            "best_weights": self.best_weights,
            "model_state": [to_numpy(variable) for variable in get_model_variables(self.model)],
            "optimizer_state": [to_numpy(variable) for variable in self.model.optimizer.variables],
        }
        self.store.write(**{self.name: checkpoint})
        others = self._list_others()
        for name in [*others][: 1 - MAX_CHECKPOINTS]:
            print(f"  The oldest unfinished training is deleted; it was: {others[name]}")
            self.store.remove(name)

    def _list_others(self) -> dict[str, str]:
        """Return the command that continues each other unfinished training, by its checkpoint, the oldest first."""
        others = list_unfinished(self.store.manifest())
        return {name: command for name, command in others.items() if name != self.name}


def list_unfinished(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the command that continues each unfinished training, by its checkpoint's name, the oldest first."""
    entries = {name: entry for name, entry in manifest["artifacts"].items() if name.startswith(PREFIX)}
    ordered = sorted(entries.items(), key=lambda item: item[1]["created"])
    return {name: format_command(entry["script"], entry["arguments"]) for name, entry in ordered}


def get_model_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the weights of a model and the states of the random generators of its layers, such as dropout."""
    layers = model._flatten_layers(include_self=False)
    generators = [layer.seed_generator for layer in layers if hasattr(layer, "seed_generator")]
    return [*model.weights, *(generator.state for generator in generators)]
