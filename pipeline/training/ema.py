"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

import numpy as np

from pipeline.models.backend import keras
from pipeline.training.batches import ShuffledBatches


class EvaluateEMA(keras.callbacks.Callback):
    """Validates the running average of the weights that an optimizer with `use_ema` keeps, and not the weights.

    Normalization needs the statistics of the averaged network, which differ from those gathered while training: they
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
        self.model.set_weights(get_ema_weights(self.model))
        recalibrate_batch_norm(self.model, self.batches)
        self.weights = self.model.get_weights()

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        self.model.set_weights(self.raw)


def get_ema_weights(model: keras.Model) -> list[np.ndarray]:
    """All weights of a compiled model, with the running averages in place of those that its optimizer averages."""
    averages = model.optimizer._model_variables_moving_average
    average_of = {id(weight): mean for weight, mean in zip(model.trainable_variables, averages, strict=True)}
    return [keras.ops.convert_to_numpy(average_of.get(id(weight), weight)) for weight in model.weights]


def recalibrate_batch_norm(model: keras.Model, batches: ShuffledBatches, most: int = 40) -> None:
    """Set means and variances of all batch normalizations to their mean over `most` of the batches."""
    every = model._flatten_layers(include_self=False)
    layers = [layer for layer in every if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for index in range(min(most, len(batches)) if layers else 0):
        for layer in layers:
            layer.momentum = index / (index + 1)  # so that each batch weighs the same
        model(batches[index][0], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
