"""Validate the exponential moving average (EMA) of the weights in place of the weights."""

from typing import Any

import numpy as np

from pipeline.models.backend import keras
from pipeline.training.batches import ShuffledBatches

MAX_RECALIBRATION_BATCHES = 40


class EvaluateEMA(keras.callbacks.Callback):
    """Validate the EMA of the weights that an optimizer with `use_ema` keeps; do nothing with other optimizers.

    Batch normalization needs the statistics of the averaged network, which differ from the moving averages of the
    training: they are recomputed from training batches (P. Izmailov et al., "Averaging Weights Leads to Wider Optima
    and Better Generalization", 2018, section 3.2). Keras's `SwapEMAWeights` does not recompute them, and rounds when
    it swaps by sums and differences.
    """

    def __init__(self, batches: ShuffledBatches):
        super().__init__()
        self.batches = batches
        self.ema_weights: list[np.ndarray] = []

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.model.optimizer.use_ema:
            self.raw_weights = self.model.get_weights()
            self.model.set_weights(get_ema_weights(self.model))
            recalibrate_batch_norm(self.model, self.batches)
            self.ema_weights = self.model.get_weights()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.model.optimizer.use_ema:
            self.model.set_weights(self.raw_weights)

    def get_validated_weights(self) -> list[np.ndarray]:
        """Return the weights of the last validation: the EMA, or the model's own if the optimizer keeps none."""
        return self.ema_weights if self.model.optimizer.use_ema else self.model.get_weights()


def get_ema_weights(model: keras.Model) -> list[np.ndarray]:
    """Return all weights of a compiled model, with the EMA in place of each weight that has one."""
    averages = model.optimizer._model_variables_moving_average
    ema_of = {id(weight): ema for weight, ema in zip(model.trainable_variables, averages, strict=True)}
    return [keras.ops.convert_to_numpy(ema_of.get(id(weight), weight)) for weight in model.weights]


def recalibrate_batch_norm(
    model: keras.Model, batches: ShuffledBatches, max_batches: int = MAX_RECALIBRATION_BATCHES
) -> None:
    """Set the moving mean and variance of each batch normalization to their mean over training batches."""
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in layers]
    for index in range(min(max_batches, len(batches)) if layers else 0):
        for layer in layers:
            layer.momentum = index / (index + 1)  # gives all batches the same weight
        model(batches.replicated_faces(index), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
