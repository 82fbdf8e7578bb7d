"""Transfer learning: weights come from where they should and compute what they should; wrong ones are a sentence."""

import os
import pickle
import runpy
from collections import OrderedDict

import keras
import numpy as np
import pytest
from helpers import ROOT
from test_training import assert_same_bits

from pipeline.models import backbones, serialization, torch_weights
from pipeline.models.torch_weights import packaged_file, read_torch_tensors
from pipeline.training.fast_layers import build_fast_copy

try:
    packaged_file()
    no_package = ""
except FileNotFoundError as error:
    no_package = str(error)
needs_package = pytest.mark.skipif(bool(no_package), reason=no_package)
SIDE = 32


# --------------------------------------------------------------------------------------------------
# The weights
# --------------------------------------------------------------------------------------------------
def convolve(pictures: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """Pictures (N, H, W, C) with PyTorch's kernel, (out, in, k, k) or one for each channel, (C, 1, k, k)."""
    pad = kernel.shape[2] // 2
    padded = np.pad(pictures, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    if kernel.shape[1] == 1:
        return np.einsum("nhwcij,cij->nhwc", windows, kernel[:, 0], optimize=True)
    return np.einsum("nhwcij,ocij->nhwo", windows, kernel, optimize=True)


def torchvision_features(tensors: dict[str, np.ndarray], pictures: np.ndarray) -> np.ndarray:
    """What torchvision.models.mobilenet_v2(...).features answers, by its definition, in NumPy alone."""

    def normalized(x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = (
            tensors[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def layer(x: np.ndarray, name: str, stride: int = 1) -> np.ndarray:
        x = convolve(x, tensors[f"{name}.0.weight"], stride)
        return np.clip(normalized(x, f"{name}.1"), 0, 6)

    x = layer(pictures, "features.0", stride=2)
    for block in range(1, 18):
        name, stride = f"features.{block}.conv", 2 if block in (2, 4, 7, 14) else 1
        widened = block > 1
        y = layer(x, f"{name}.0") if widened else x
        y = layer(y, f"{name}.{int(widened)}", stride)
        y = convolve(y, tensors[f"{name}.{1 + widened}.weight"])
        y = normalized(y, f"{name}.{2 + widened}")
        x = x + y if x.shape == y.shape else y
    return layer(x, "features.18")


@needs_package
@pytest.mark.parametrize("side", [SIDE, 45])
def test_the_packaged_network_computes_what_torchvision_does(rng, side):
    rescaling, backbone = backbones.build_backbone("MobileNetV2", "package", side)
    pictures = rng.random((2, side, side, 3), np.float32)
    standard = (pictures - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    expected = torchvision_features(read_torch_tensors(packaged_file()), standard)
    told = keras.ops.convert_to_numpy(backbone(rescaling(pictures)))
    assert told.shape == expected.shape and expected.max() > 1
    np.testing.assert_allclose(told, expected, atol=1e-4)


def test_a_package_that_is_missing_or_altered_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(torch_weights, "PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(FileNotFoundError, match=r"is not installed\. Run: python -m pip"):
        packaged_file()
    altered = tmp_path / "a_package_that_is_not_there" / torch_weights.PACKAGED_FILE
    altered.parent.mkdir(parents=True)
    altered.write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="is not the file that torchvision published"):
        packaged_file()


def test_a_pickle_that_calls_anything_else_is_not_obeyed(tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    path = tmp_path / "weights.pth"
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in (1, 2, {}, OrderedDict(a=Harmful()), [])))
    with pytest.raises(pickle.UnpicklingError, match="it calls"):
        read_torch_tensors(path)
    assert not (tmp_path / "harm").exists()


def test_weights_come_from_a_file_that_keras_saved(tmp_path):
    _, saved = backbones.build_backbone("MobileNetV2", "none", SIDE)
    for name in ("mine.weights.h5", "mine.keras"):
        path = tmp_path / name
        (saved.save_weights if name.endswith(".h5") else saved.save)(path)
        _, loaded = backbones.build_backbone("MobileNetV2", str(path), SIDE)
        assert_same_bits(loaded.get_weights(), saved.get_weights())


@pytest.mark.parametrize(
    ("name", "weights", "side", "sentence"),
    [
        (
            "MobileNetV2",
            "nowhere.h5",
            SIDE,
            "nowhere.h5 is not there. weights can be package, imagenet, none",
        ),
        ("MobileNetV2", __file__, SIDE, "does not hold the weights of keras.applications.MobileNetV2"),
        ("MobileNetV2", "package", 31, "side is 31, but MobileNetV2 needs at least 32"),
        ("ConvNeXtTiny", "package", SIDE, "holds MobileNetV2 only; for ConvNeXtTiny set weights to imagenet"),
    ],
)
def test_weights_that_do_not_fit_are_a_sentence(name, weights, side, sentence):
    with pytest.raises((ValueError, OSError), match=sentence):
        backbones.build_backbone(name, weights, side)


def test_a_download_that_fails_is_a_sentence(monkeypatch):
    def unreachable(**_):
        raise Exception("URL fetch failure on https://storage.googleapis.com")

    monkeypatch.setattr(keras.applications, "MobileNetV2", unreachable)
    with pytest.raises(OSError, match="could not download the weights of MobileNetV2"):
        backbones.build_backbone("MobileNetV2", "imagenet", SIDE)


# --------------------------------------------------------------------------------------------------
# The network
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("backbone", ["MobileNetV2", "EfficientNetV2B0", "ConvNeXtTiny"])
def test_each_backbone_is_packed_saved_and_copied_with_the_same_answers(backbone, rng, tmp_path):
    script = runpy.run_path(str(ROOT / "Transfer_Learning_model.py"))
    keras.utils.set_random_seed(0)
    model = script["build"](script["Settings"](backbone, weights="none", side=48), (48, 48, 1))
    weights = [
        weight * rng.uniform(0.5, 1.5, weight.shape).astype(np.float32) for weight in model.get_weights()
    ]
    model.set_weights(weights)
    faces = rng.random((4, 48, 48, 1), np.float32)
    expected = model(faces)
    assert expected.shape == (4, 7) and model.name == f"Transfer-{backbone}"

    model.save(tmp_path / "model.keras")
    for other in (
        serialization.unpack(serialization.pack(model)),
        serialization.load_model(tmp_path / "model.keras"),
    ):
        np.testing.assert_allclose(other(faces), expected, atol=1e-5)
    for precision, tolerance in (("float32", 1e-5), ("mixed_bfloat16", 0.02)):
        copy = build_fast_copy(model, precision)
        assert_same_bits(copy.get_weights(), weights)
        np.testing.assert_allclose(copy(faces), expected, atol=tolerance)
        assert_same_bits(model.get_weights(), weights)  # answering leaves it as it was
        [inner] = serialization.get_backbones(copy)
        computed_in = {
            layer.compute_dtype for layer in inner.layers if isinstance(layer, keras.layers.Conv2D)
        }
        assert computed_in == {"float32" if precision == "float32" else "bfloat16"}


@needs_package
def test_step_seven_builds_it_from_the_package(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    project.run("Transfer_Learning_model.py", "--side", 48)
    packed = project.store().read("model")
    assert packed["name"] == "Transfer-MobileNetV2"
    tensors = read_torch_tensors(packaged_file())
    assert_same_bits(packed["weights"][:-2], torch_weights.mobilenet_weights(tensors))


def test_a_size_that_does_not_fit_is_a_sentence(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    printed = project.run("Transfer_Learning_model.py", "--side", 100, status=1)
    assert "side is 100, but must be a multiple of a face's 48 pixels" in printed
    assert "Traceback" not in printed
