"""A Keras network as plain data and back, and what it answers; on any Keras backend.

    packed = {"name": str, "config": str (JSON), "weights": [arrays]}

Nothing of a network is pickled but its description and its numbers, so that the cache stays free of code.
"""

import math

from pipeline.models.backend import keras


def count_multiply_adds(model: keras.Model) -> int:
    """Multiplications with a weight that one face costs, in convolutions and dense layers."""
    total = 0
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            total += math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            places = math.prod(layer.output.shape[1:-1])
            total += places * math.prod(layer.kernel.shape)
    return total
