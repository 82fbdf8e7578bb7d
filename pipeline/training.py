"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

import time
from dataclasses import dataclass
from typing import Any

from pipeline import network
from pipeline.augmentation import Augmentation
from pipeline.cache import Cache
from pipeline.network import keras
from pipeline.speed import quick_copy
from pipeline.steps import ROOT

import numpy as np
from tqdm import tqdm


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of faces and labels, in an order that depends on `seed` and the epoch alone.

    So a training that goes on at epoch 7 sees what the unbroken one would have seen. `start_epoch` is to be
    called as each epoch begins, and `fit` is to be told `shuffle=False`, else it shuffles the batches by itself.
    faces: (N, 48, 48, 1) float32; labels: (N, 7) float32, one-hot.
    """

    def __init__(
        self,
        faces: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        super().__init__()
        self.faces, self.labels = faces, labels
        self.batch_size, self.seed = batch_size, seed
        self.augmentation = augmentation
        self.start_epoch(0)

    def __len__(self) -> int:
        return -(-len(self.faces) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        faces, labels = self.faces[rows], self.labels[rows]
        if self.augmentation is None:
            return faces, labels
        return self.augmentation(faces, labels, np.random.default_rng((self.seed, self.epoch, index)))

    def start_epoch(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Shuffle for this epoch, counted from 0; has the form of a callback's `on_epoch_begin`."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.faces))


def feed(batches: keras.utils.PyDataset) -> Any:
    """The batches as `fit` is to be given them: on TensorFlow as a `tf.data.Dataset`.

    Keras would make one of them itself, but leave tf.data's autotuning on. With that, many an epoch begins seconds
    late, as if it waited for a sleeping thread of the epoch before, while nothing is computed (TensorFlow 2.21).
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(
        lambda: (batches[index] for index in range(len(batches))),
        output_signature=tuple(tf.TensorSpec((None, *some.shape[1:]), some.dtype) for some in batches[0]),
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return dataset.prefetch(2).with_options(options)


class AverageWeights(keras.callbacks.Callback):
    """Validates the running average of the weights that an optimizer with `use_ema` keeps, and not the weights.

    Normalisation needs the statistics of the averaged network, which differ from those gathered while training: they
    are taken anew from some training batches (P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
    Generalization", 2018, section 3.2). `weights` are the averaged network's as validated last.
    Keras's own `SwapEMAWeights` leaves the statistics as they are, and its exchange by sums and differences rounds.
    """

    def __init__(self, batches: ShuffledBatches):
        super().__init__()
        self.batches = batches
        self.weights: list[np.ndarray] = []

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self.raw = self.model.get_weights()
        self.model.set_weights(averaged_weights(self.model))
        renew_statistics(self.model, self.batches)
        self.weights = self.model.get_weights()

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        self.model.set_weights(self.raw)


def averaged_weights(model: keras.Model) -> list[np.ndarray]:
    """All weights of a compiled model, with the running averages in place of those that its optimizer averages."""
    averages = model.optimizer._model_variables_moving_average
    average_of = {id(weight): mean for weight, mean in zip(model.trainable_variables, averages, strict=True)}
    return [keras.ops.convert_to_numpy(average_of.get(id(weight), weight)) for weight in model.weights]


def renew_statistics(model: keras.Model, batches: ShuffledBatches, most: int = 40) -> None:
    """Set means and variances of all batch normalisations to their mean over `most` of the batches."""
    every = model._flatten_layers(include_self=False)
    layers = [layer for layer in every if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for index in range(min(most, len(batches)) if layers else 0):
        for layer in layers:
            layer.momentum = index / (index + 1)  # so that each batch weighs the same
        model(batches[index][0], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


@dataclass(frozen=True)
class Phase:
    """A stretch of a training, from epoch `start` to before epoch `stop`, counted from 0, with its own optimizer."""

    start: int
    stop: int
    learning_rate: float  # its highest value
    schedule: str  # "constant" or "cosine"
    frozen: bool  # whether the networks within the network keep their weights


def freeze(model: keras.Model, frozen: bool) -> None:
    """Let the networks within a network keep their weights, or learn; holds once the model is compiled again.

    A frozen batch normalisation uses the running averages that it has, and leaves them as they are.
    Raises ValueError for a network that has none within it.
    """
    if not network.backbones(model):
        raise ValueError(
            f"frozen_epochs is for a network with another one within it, a backbone; {model.name} has none. Build one "
            "with Transfer_Learning_model.py, or set frozen_epochs to 0."
        )
    for backbone in network.backbones(model):
        backbone.trainable = not frozen


class Checkpoint(keras.callbacks.Callback):
    """Keeps the state of a training in data/checkpoint after each epoch, and its history and best weights.

    `dependencies` is all that the result depends on; a checkpoint with others is not gone on from. After `patience`
    epochs without a better accuracy on validation the training ends; 0 lets it run. Where there is an `average`, its
    weights are the ones that count.
    """

    def __init__(self, cache: Cache, dependencies: dict[str, Any], patience: int = 0):
        super().__init__()
        self.cache, self.dependencies, self.patience = cache, dependencies, patience
        self.average: AverageWeights | None = None
        self.history: dict[str, list[float]] = {}
        self.best_weights: list[np.ndarray] = []
        self.found: dict[str, Any] = {}

    def find(self) -> None:
        """Take up the history of a usable checkpoint, if there is one; its state waits for `restore`."""
        if not self.cache.has("checkpoint"):
            return
        try:
            checkpoint = self.cache.read("checkpoint", account=False)
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
        self.cache.write(
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


def soft_labels(teachers: tuple[str, ...], faces: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Labels (N, 7), `share` of them the mean answer of saved models to the faces and their mirror images.

    teachers: files, their paths seen from the project's folder.
    G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """
    models = [quick_copy(network.load(ROOT / path), "float32") for path in teachers]
    answers = []
    bar = tqdm(
        total=len(models) * len(faces), desc="  asking the teachers", unit="face", delay=1, leave=False
    )
    with bar:
        for model in models:
            told = []
            for start in range(0, len(faces), 512):
                some = faces[start : start + 512]
                told.append(network.predict(model, some, views=2))
                bar.update(len(some))
            answers.append(np.concatenate(told))
    return ((1 - share) * labels + share * np.mean(answers, axis=0)).astype(np.float32)


class StopWhenNotFinite(keras.callbacks.Callback):
    """Ends a training whose loss has become infinite or no number, which never mends itself."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss is {loss} at batch {batch + 1}: the training has diverged. Try a lower learning_rate. "
                "The trained model that was in data/ before is still there."
            )


def learning_rate(
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
