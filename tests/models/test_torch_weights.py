"""torchvision's MobileNetV2 without PyTorch: the same features as by its definition, and no code from a pickle runs."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from pipeline.models import backbones, torch_weights
from pipeline.models.backend import keras
from pipeline.models.torch_weights import read_torch_tensors

SIDE = 48  # pixels


def convolve(images: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """Convolve images (N, H, W, C) with PyTorch's kernel, (out, in, k, k) or depthwise (C, 1, k, k)."""
    pad = kernel.shape[2] // 2
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    if kernel.shape[1] == 1:
        return np.einsum("nhwcij,cij->nhwc", windows, kernel[:, 0], optimize=True)
    return np.einsum("nhwcij,ocij->nhwo", windows, kernel, optimize=True)


def torchvision_features(tensors: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """Compute torchvision.models.mobilenet_v2(...).features by its definition, in NumPy alone."""

    def normalize(x: np.ndarray, name: str) -> np.ndarray:
        parts = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (tensors[f"{name}.{part}"] for part in parts)
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def conv_bn_relu6(x: np.ndarray, name: str, stride: int = 1) -> np.ndarray:
        x = convolve(x, tensors[f"{name}.0.weight"], stride)
        return np.clip(normalize(x, f"{name}.1"), 0, 6)

    x = conv_bn_relu6(images, "features.0", stride=2)
    for block in range(1, 18):
        name, stride = f"features.{block}.conv", 2 if block in (2, 4, 7, 14) else 1
        has_expansion = block > 1
        y = conv_bn_relu6(x, f"{name}.0") if has_expansion else x
        y = conv_bn_relu6(y, f"{name}.{int(has_expansion)}", stride)
        y = convolve(y, tensors[f"{name}.{1 + has_expansion}.weight"])
        y = normalize(y, f"{name}.{2 + has_expansion}")
        x = x + y if x.shape == y.shape else y
    return conv_bn_relu6(x, "features.18")


@pytest.mark.slow
@pytest.mark.parametrize("side", [SIDE, 51])
def test_packaged_network_computes_the_features_of_torchvision(rng, mobilenet_weights, side):
    prepare_input, backbone = backbones.build_backbone("MobileNetV2", "package", side)
    images = rng.random((2, side, side, 1), np.float32)
    standardized = (images - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    expected = torchvision_features(read_torch_tensors(mobilenet_weights), standardized)
    features = keras.ops.convert_to_numpy(backbone(prepare_input(images)))
    assert features.shape == expected.shape and expected.max() > 1
    np.testing.assert_allclose(features, expected, atol=1e-4)


def write_torch_file(path, state_dict, keys: list[str]) -> None:
    """Write the five pickles of a PyTorch file, without the values after them."""
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in (1, 2, {}, state_dict, keys)))


def test_ordered_dict_of_pytorch_becomes_a_plain_dict(tmp_path):
    state_dict = OrderedDict(a=1, b=2)
    state_dict._metadata = OrderedDict()  # as PyTorch sets it
    write_torch_file(tmp_path / "weights.pth", state_dict, [])
    tensors = read_torch_tensors(tmp_path / "weights.pth")
    assert type(tensors) is dict and tensors == {"a": 1, "b": 2}


@pytest.mark.parametrize("function", [os.mkdir, exec, getattr, np.dtype])
def test_pickle_that_names_a_function_is_refused_and_runs_nothing(tmp_path, function):
    class Harmful:
        def __reduce__(self):
            return function, (str(tmp_path / "harm"),)

    write_torch_file(tmp_path / "weights.pth", OrderedDict(a=Harmful()), [])
    with pytest.raises(pickle.UnpicklingError, match=function.__name__):
        read_torch_tensors(tmp_path / "weights.pth")
    assert not (tmp_path / "harm").exists()


def test_only_own_functions_are_reachable_from_a_pickle():
    for value in torch_weights._TensorUnpickler.safe_globals.values():
        assert isinstance(value, str) or value.__module__ == "pipeline.models.torch_weights"


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02K\x01.", b"not a pickle"], ids=["empty", "truncated", "text"]
)
def test_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(pickle.UnpicklingError):
        read_torch_tensors(tmp_path / "weights.pth")
