"""Backbones: weights from a file, a failed download, and networks that keep their predictions in every form."""

import numpy as np
import pytest
from helpers import assert_same_bits

import Transfer_Learning_model
from pipeline.models import backbones, serialization
from pipeline.models.backend import keras
from pipeline.models.check_network import check_network
from pipeline.training.fast_layers import build_fast_copy

SIDE = 48  # pixels


@pytest.mark.slow
@pytest.mark.parametrize("name", ["saved.weights.h5", "saved.keras"])
def test_weights_are_loaded_from_a_file_that_keras_saved(tmp_path, name):
    _, saved = backbones.build_backbone("MobileNetV2", "none", SIDE)
    path = str(tmp_path / name)
    (saved.save_weights if name.endswith(".weights.h5") else saved.save)(path)
    _, loaded = backbones.build_backbone("MobileNetV2", path, SIDE)
    assert_same_bits(loaded.get_weights(), saved.get_weights())


@pytest.mark.slow
def test_file_with_other_content_is_refused():
    with pytest.raises(ValueError, match=r"test_backbones\.py .*MobileNetV2"):
        backbones.build_backbone("MobileNetV2", __file__, SIDE)


@pytest.mark.slow
def test_missing_file_is_reported_with_the_other_choices():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5 .*package, imagenet, none"):
        backbones.build_backbone("MobileNetV2", "nowhere.h5", SIDE)


@pytest.mark.parametrize(
    ("name", "weights", "side", "fact"),
    [
        ("MobileNetV2", "package", 47, "side is 47.* 48 pixels"),
        ("ConvNeXtTiny", "package", SIDE, "only FaceResNet and MobileNetV2.*ConvNeXtTiny.*imagenet"),
        ("FaceResNet", "imagenet", SIDE, "FaceResNet.*ImageNet.*package"),
    ],
)
def test_arguments_that_do_not_match_are_refused(name, weights, side, fact):
    with pytest.raises(ValueError, match=fact):
        backbones.build_backbone(name, weights, side)


def test_failed_download_is_reported_with_a_remedy(monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure on https://storage.googleapis.com")

    monkeypatch.setattr(keras.applications, "MobileNetV2", fail)
    with pytest.raises(OSError, match=r"URL fetch failure.*weights set to package"):
        backbones.build_backbone("MobileNetV2", "imagenet", SIDE)


@pytest.fixture(params=["FaceResNet", "MobileNetV2", "EfficientNetV2B0", "ConvNeXtTiny"])
def transfer_model(request, rng) -> keras.Model:
    """Transfer_Learning_model.py's network with random weights that also vary in the batch statistics."""
    settings = Transfer_Learning_model.Settings(backbone=request.param, weights="none", side=48)
    keras.utils.set_random_seed(0)
    model = Transfer_Learning_model.build(settings, (48, 48, 1))
    weights = model.get_weights()
    model.set_weights([weight * rng.uniform(0.5, 1.5, weight.shape).astype(np.float32) for weight in weights])
    return model


@pytest.mark.slow
def test_network_predicts_the_same_when_packed_saved_and_copied(transfer_model, rng, tmp_path):
    model, weights = transfer_model, transfer_model.get_weights()
    faces = rng.random((4, 48, 48, 1), np.float32)
    expected = keras.ops.convert_to_numpy(model(faces))
    assert expected.shape == (4, 7)

    serialization.save_model(model, tmp_path / "model.keras")
    unpacked = serialization.unpack(check_network(model, (48, 48, 1)))
    for restored in (unpacked, serialization.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(restored(faces), expected, atol=1e-5)

    for precision, dtype, atol in (("float32", "float32", 1e-5), ("mixed_bfloat16", "bfloat16", 0.02)):
        copy = build_fast_copy(model, precision)
        assert_same_bits(copy.get_weights(), weights)
        np.testing.assert_allclose(copy(faces), expected, atol=atol)
        [backbone] = serialization.get_backbones(copy)
        convolutions = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)]
        assert {layer.compute_dtype for layer in convolutions} == {dtype}
    assert_same_bits(model.get_weights(), weights)  # prediction does not change the running averages
