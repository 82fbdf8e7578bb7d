"""Look inside a network: the filters of its first convolution, and what each layer computes from a face."""

import numpy as np

from pipeline.models.backend import keras

LayerOutputs = list[tuple[keras.layers.Layer, np.ndarray]]


def collect_layer_outputs(model: keras.Model, faces: np.ndarray) -> LayerOutputs:
    """Return each layer and its output for some faces, in the order of computation, also within nested networks.

    Calls the layers one after the other, with a wrapper around each: a network that is a layer has a graph of its own,
    whose tensors another network cannot return. A layer that is called twice is listed twice.

    Args:
        model: Built by Keras on any backend.
        faces: (N, 48, 48, 1) float32 in [0, 1].
    """
    outputs: LayerOutputs = []
    layers = [layer for layer in model._flatten_layers(include_self=False) if not _is_passive(layer)]

    def wrap(layer: keras.layers.Layer):
        call = layer.call

        def call_and_note(*args, **kwargs):
            result = call(*args, **kwargs)
            outputs.append((layer, keras.ops.convert_to_numpy(keras.tree.flatten(result)[0])))
            return result

        return call_and_note

    try:
        for layer in layers:
            layer.call = wrap(layer)
        model(keras.ops.convert_to_tensor(faces), training=False)
    finally:
        for layer in layers:
            layer.__dict__.pop("call", None)
    return outputs


def _is_passive(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.Model | keras.layers.InputLayer)


def find_first_filters(outputs: LayerOutputs) -> np.ndarray | None:
    """Return the kernels of the first convolution, (height, width, n_filters), summed over its input channels.

    None for a network without a convolution.
    """
    for layer, _ in outputs:
        if isinstance(layer, keras.layers.Conv2D):
            return keras.ops.convert_to_numpy(layer.kernel).sum(axis=2)
    return None


def select_layers(outputs: LayerOutputs, n: int) -> LayerOutputs:
    """Return at most n layers to show, evenly spaced: those that end with an activation, a pooling or an addition.

    If there are none of these, all layers count. The last layer is always shown.
    """
    kept = [(layer, values) for layer, values in outputs if values.ndim in (2, 4) and _is_shown(layer)]
    kept = kept or [(layer, values) for layer, values in outputs if values.ndim in (2, 4)]
    places = np.unique(np.linspace(0, len(kept) - 1, min(n, len(kept))).round().astype(int))
    return [kept[place] for place in places]


def _is_shown(layer: keras.layers.Layer) -> bool:
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return activation != "linear" or "Pooling" in type(layer).__name__ or isinstance(layer, keras.layers.ReLU)
