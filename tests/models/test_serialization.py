"""Packing, saving and loading networks: equal predictions, files for older Keras versions, refusal of other files."""

import json
import warnings
import zipfile

import h5py
import numpy as np
import pytest
from helpers import assert_same_bits

from pipeline.models import file_limits, model_zoo, serialization
from pipeline.models.backend import keras
from pipeline.models.residual import build_residual_network

layers = keras.layers
COMPACT = model_zoo.MODELS_DIR / "Compact.keras"


@pytest.fixture
def model() -> keras.Model:
    """A small network with the layers whose configuration newer versions of Keras extended."""
    keras.utils.set_random_seed(0)
    return build_residual_network("Small", (48, 48, 1), filters=(4, 8), blocks=(1, 1), dropout=0.1)


def find_keys(config) -> set[str]:
    """All keys of a nested configuration."""
    if isinstance(config, list):
        return set().union(*map(find_keys, config)) if config else set()
    if not isinstance(config, dict):
        return set()
    return set(config).union(*map(find_keys, config.values()))


def read_config(path):
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return json.loads(file.attrs["model_config"])
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def test_unpacked_network_is_equal(model, rng):
    packed = serialization.pack(model)
    assert packed["name"] == "Small" and isinstance(packed["config"], str)
    unpacked = serialization.unpack(packed)
    faces = rng.random((3, 48, 48, 1), np.float32)
    assert_same_bits(unpacked.get_weights(), model.get_weights())
    np.testing.assert_array_equal(unpacked.predict_on_batch(faces), model.predict_on_batch(faces))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_saved_network_loads_with_equal_weights_and_configuration(model, rng, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    serialization.save_model(model, path)
    loaded = serialization.load_model(path)
    assert_same_bits(loaded.get_weights(), model.get_weights())
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]
    faces = rng.random((3, 48, 48, 1), np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(faces), model.predict_on_batch(faces))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_compiled_network_loads_without_a_warning_and_takes_no_more_space(tmp_path, optimizer, suffix):
    path = tmp_path / f"model{suffix}"
    model = keras.Sequential([keras.Input((100,)), layers.Dense(1000, "softmax")])
    n_bytes = 4 * model.count_params()
    model.compile(optimizer, loss="categorical_crossentropy")
    serialization.save_model(model, path)
    assert n_bytes < path.stat().st_size < 1.2 * n_bytes and not model.optimizer.built
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = keras.models.load_model(str(path))
    loaded.optimizer.build(loaded.trainable_variables)
    assert all(not np.any(variable) for variable in loaded.optimizer.variables if variable.ndim)
    assert_same_bits(loaded.get_weights(), model.get_weights())


@pytest.mark.parametrize("path", sorted(model_zoo.MODELS_DIR.glob("*.keras")), ids=lambda path: path.stem)
def test_a_shipped_file_has_more_variables_of_its_optimizer_than_step_and_learning_rate(path):
    with (
        zipfile.ZipFile(path) as archive,
        archive.open("model.weights.h5") as file,
        h5py.File(file) as weights,
    ):
        assert len(weights["optimizer/vars"]) > 2


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_saved_file_has_no_new_defaults_that_older_keras_versions_refuse(model, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    serialization.save_model(model, path)
    keys = find_keys(read_config(path))
    assert "kernel_initializer" in keys and not keys & set(serialization.NEW_CONFIG_DEFAULTS)


@pytest.mark.parametrize("path", sorted(model_zoo.MODELS_DIR.glob("*.keras")), ids=lambda path: path.stem)
def test_shipped_file_has_no_new_defaults_that_older_keras_versions_refuse(path):
    assert not find_keys(read_config(path)) & set(serialization.NEW_CONFIG_DEFAULTS)


def test_configuration_that_differs_from_the_defaults_is_kept():
    config = {"renorm": True, "renorm_momentum": 0.99, "layers": [{"input_axes": None, "output_axes": [1]}]}
    assert serialization._remove_new_defaults(config) == {"renorm": True, "layers": [{"output_axes": [1]}]}


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 truncated"])
def test_file_that_is_not_a_model_is_refused(tmp_path, content):
    (tmp_path / "x.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.keras"):
        serialization.load_model(tmp_path / "x.keras")


@pytest.mark.parametrize("name", ["x.tflite", "x.onnx", "x.pt", "x", "x.keras.bak"])
def test_file_of_another_kind_is_refused_with_the_suffixes_that_are_allowed(tmp_path, name):
    (tmp_path / name).write_bytes(b"TFL3")
    with pytest.raises(ValueError, match=r"\.keras or \.h5"):
        serialization.load_model(tmp_path / name)


def test_missing_file_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.keras"):
        serialization.load_model(tmp_path / "absent.keras")


def test_model_that_contains_code_is_refused(tmp_path):
    model = keras.Sequential(
        [keras.Input((48, 48, 1)), layers.Lambda(lambda x: x), layers.Flatten(), layers.Dense(7)]
    )
    model.save(str(tmp_path / "x.keras"))
    with pytest.raises(ValueError, match=r"x\.keras"):
        serialization.load_model(tmp_path / "x.keras")


@pytest.mark.slow
def test_zip_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(COMPACT) as archive:
        members = {name: archive.read(name) for name in ("metadata.json", "config.json")}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        with archive.open("model.weights.h5", "w", force_zip64=True) as weights:
            zeros = bytes(1 << 24)
            for _ in range(file_limits.MAX_ARCHIVE_BYTES // len(zeros) + 1):
                weights.write(zeros)
    with pytest.raises(ValueError, match=r"bomb\.keras would unpack to 1\.\d GB"):
        serialization.load_model(path)
