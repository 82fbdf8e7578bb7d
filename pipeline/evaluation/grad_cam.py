"""Show which regions of a face a prediction of a Keras network depends on, by Grad-CAM, on any backend with gradients.

R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017. It
weights each feature map by its mean gradient, which fits networks with global average pooling; where a dense layer
follows, as in LeNet-5, such maps are hardly better than chance (benchmarks/saliency.py). So the gradient of each pixel
of the feature maps is used, which is the same after global average pooling: R. Draelos and L. Carin, "Use HiResCAM
instead of Grad-CAM for faithful explanations of convolutional neural networks", 2020.

The resolution is that of a feature map: 18x18 in LeNet-5, 6x6 in Compact and Strong, 5x5 in Transfer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.saliency import interpolation_matrix
from pipeline.models.backend import keras

MIN_SIDE = 5  # of the feature map; the last one of a deep backbone may be a single pixel
BATCH_SIZE = 128  # faces


def grad_cam(model: keras.Model, faces: np.ndarray, classes: np.ndarray, pooled: bool = False) -> np.ndarray:
    """Compute the Grad-CAM of each face for one class.

    The feature maps of the last convolution, after its activation, are multiplied by the gradient of the class's logit
    and summed; what is negative becomes 0. The layers of a backbone count, too.

    Args:
        model: functional or sequential, with a convolution whose output has MIN_SIDE pixels a side or more.
        faces: (N, height, width, 1) float32 in [0, 1].
        classes: (N,) integers.
        pooled: average the gradient over each feature map, as the paper of 2017 does.

    Returns:
        (N, height, width) float32, 0 or more, bilinearly enlarged; comparable within a face only.

    Raises:
        ValueError: If the network has no such convolution, or the backend has no gradients.
    """
    network = split_network(model)
    gradient = _gradient_function(network.head)
    height, width = faces.shape[1:3]
    rows, columns = (
        interpolation_matrix(side, n, view.first, view.spacing)
        for view, n, side in zip(network.views, network.map_shape, (height, width), strict=True)
    )
    maps = []
    for start in range(0, len(faces), BATCH_SIZE):
        batch = slice(start, start + BATCH_SIZE)
        features = network.extract(keras.ops.convert_to_tensor(faces[batch]), training=False)
        gradients = gradient(features, np.asarray(classes[batch]))
        weights = gradients.mean(axis=(1, 2), keepdims=True) if pooled else gradients
        coarse = np.maximum((weights * _to_numpy(features)).sum(axis=-1), 0)
        maps.append(rows @ coarse @ columns.T)
    return np.concatenate(maps).astype(np.float32) if maps else np.empty((0, height, width), np.float32)


# --------------------------------------------------------------------------------------------------
# The network in two parts
# --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class View:
    """Where the pixels of a feature map lie along one axis of the face: first + index * spacing."""

    first: float = 0.0
    spacing: float = 1.0


@dataclass(frozen=True)
class SplitNetwork:
    """A network as two, before and after a feature map: faces -> features, features -> logits."""

    extract: keras.Model
    head: keras.Model
    views: tuple[View, View]  # of rows and columns
    map_shape: tuple[int, int]


@dataclass(frozen=True)
class Call:
    """A layer and the tensors of one call."""

    layer: Any
    inputs: list[Any]
    output: Any


def split_network(model: keras.Model) -> SplitNetwork:
    """Split a network after its last convolution whose feature map has MIN_SIDE pixels a side or more."""
    faces = keras.Input(model.inputs[0].shape[1:])
    calls: list[Call] = []
    _call_layers(model, faces, calls)
    shapes = [
        tuple(call.output.shape) for call in calls if _is_feature_map(call) and _is_convolution(call.layer)
    ]
    if not shapes:
        raise ValueError(
            f"{model.name} has no convolution with a feature map of {MIN_SIDE}x{MIN_SIDE} pixels or more."
        )
    # After it come, at the same size, its normalization, its activation and the sum of a residual block.
    features = next(call.output for call in reversed(calls) if tuple(call.output.shape) == shapes[-1])
    try:
        head = keras.Model(features, _to_logits(calls[-1]))
    except ValueError as error:  # a connection that skips the feature map
        raise ValueError(f"{model.name} cannot be split at its last convolution: {error}") from error
    views = _locate(calls, faces)[id(features)]
    return SplitNetwork(keras.Model(faces, features), head, views, shapes[-1][1:3])


def _call_layers(model: keras.Model, inputs: Any, calls: list[Call]) -> Any:
    """Call all layers of a network, those of its backbones too, on new inputs; append each call, return the output."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        tensors = [
            tensor for tensor in keras.tree.flatten((args, kwargs)) if keras.backend.is_keras_tensor(tensor)
        ]
        if isinstance(layer, keras.Model) and len(tensors) == len(layer.outputs) == 1:
            return _call_layers(layer, tensors[0], calls)
        output = layer(*args, **kwargs)
        calls.append(Call(layer, tensors, output))
        return output

    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            inputs = call(layer, inputs)
        return inputs
    packed = keras.tree.pack_sequence_as(model.input, [inputs])
    outputs = model._run_through_graph(
        packed, operation_fn=lambda layer: layer, call_fn=call
    )  # as clone_model does
    return keras.tree.flatten(outputs)[0]


def _is_convolution(layer: Any) -> bool:
    return (hasattr(layer, "kernel_size") and hasattr(layer, "filters")) or hasattr(layer, "depth_multiplier")


def _is_feature_map(call: Call) -> bool:
    shape = getattr(call.output, "shape", ())
    return len(shape) == 4 and min(shape[1:3]) >= MIN_SIDE


def _to_logits(last: Call) -> Any:
    """Return what the softmax of the last layer is applied to; the logarithm of the output of another layer."""
    layer = last.layer
    if getattr(layer, "activation", None) is keras.activations.softmax:
        if isinstance(layer, keras.layers.Activation):
            return last.inputs[0]
        config = layer.get_config() | {"activation": None, "name": f"{layer.name}_logits"}
        linear = type(layer).from_config(config)
        logits = linear(last.inputs[0])
        linear.set_weights(layer.get_weights())
        return logits
    if isinstance(layer, keras.layers.Softmax):
        return last.inputs[0]
    return keras.ops.log(last.output + keras.config.epsilon())


def _locate(calls: Iterable[Call], faces: Any) -> dict[int, tuple[View, View]]:
    """Return where the pixels of each feature map lie in a face, by the tensor's id."""
    views = {id(faces): (View(), View())}
    for call in calls:
        if call.inputs and id(call.inputs[0]) in views and len(call.output.shape) == 4:
            before = views[id(call.inputs[0])]
            views[id(call.output)] = (_move(before[0], call, 0), _move(before[1], call, 1))
    return views


def _move(view: View, call: Call, axis: int) -> View:
    """Return where the pixels of a layer's output lie along an axis."""
    layer = call.layer
    kernel = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    if kernel and getattr(layer, "padding", None) == "valid":
        dilation = getattr(layer, "dilation_rate", (1, 1))[axis]
        reach = dilation * (kernel[axis] - 1)
        return View(view.first + view.spacing * reach / 2, view.spacing * layer.strides[axis])
    ratio = call.inputs[0].shape[axis + 1] / call.output.shape[axis + 1]  # both show the same part of a face
    return View(view.first + view.spacing * (ratio - 1) / 2, view.spacing * ratio)


# --------------------------------------------------------------------------------------------------
# Gradients
# --------------------------------------------------------------------------------------------------
def _gradient_function(head: keras.Model) -> Callable[[Any, np.ndarray], np.ndarray]:
    """Return a function of features (N, h, w, C) and classes (N,): the gradients of the classes' logits."""

    def select(logits: Any, classes: np.ndarray) -> Any:
        return keras.ops.sum(keras.ops.take_along_axis(logits, classes[:, np.newaxis], axis=1))

    def with_tensorflow(features: Any, classes: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(features)
            score = select(head(features, training=False), classes)
        return _to_numpy(tape.gradient(score, features))

    def with_jax(features: Any, classes: np.ndarray) -> np.ndarray:
        import jax

        weights = [
            [v.value for v in head.trainable_variables],
            [v.value for v in head.non_trainable_variables],
        ]
        return _to_numpy(
            jax.grad(lambda f: select(head.stateless_call(*weights, f, training=False)[0], classes))(features)
        )

    def with_torch(features: Any, classes: np.ndarray) -> np.ndarray:
        import torch

        features = features.detach().requires_grad_()
        (gradients,) = torch.autograd.grad(select(head(features, training=False), classes), features)
        return _to_numpy(gradients)

    functions = {"tensorflow": with_tensorflow, "jax": with_jax, "torch": with_torch}
    backend = keras.backend.backend()
    if backend not in functions:
        raise ValueError(f"Keras's backend {backend} has no gradients. Use {', '.join(functions)}.")
    return functions[backend]


def _to_numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor).astype(np.float32)
