"""Count the operations that a network needs."""

import math

from pipeline.models.backend import keras


def count_multiply_adds(model: keras.Model) -> int:
    """Count the multiply-adds of one face in convolution and dense layers.

    Other layers are ignored, and those inside another layer, such as TimeDistributed.
    """
    total = 0
    for layer in model._flatten_layers(include_self=False):
        if not layer._inbound_nodes:
            continue
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            total += math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            positions = math.prod(layer.output.shape[1:-1])
            total += positions * math.prod(layer.kernel.shape)
    return total
