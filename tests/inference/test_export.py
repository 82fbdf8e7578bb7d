"""Every export format predicts as the trained network does, and a file that does not is not kept."""

import zipfile

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference import export
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models.backend import keras
from pipeline.workflow.fingerprint import compute_folder_sha256, compute_sha256

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", export.FORMATS)
def test_exported_file_predicts_as_the_network(exported, name):
    classifier = EmotionClassifier(exported.path(name), trust=name == "saved_model")
    probabilities = classifier.predict_proba(exported.faces)
    assert probabilities.dtype == np.float32 and probabilities.shape == exported.probabilities.shape
    if name == "litert_int8":
        assert np.mean(probabilities.argmax(axis=1) == exported.labels) > 0.95
    else:
        max_difference = export.FORMATS[name].max_difference
        np.testing.assert_allclose(probabilities, exported.probabilities, atol=max_difference)
    single = classifier.predict_proba(exported.faces[:1, :, :, 0])
    np.testing.assert_allclose(single, probabilities[:1], atol=1e-5)


RANDOM_LAYERS = {
    "augmentation": lambda: keras.layers.RandomFlip("horizontal"),
    "nested augmentation": lambda: keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.RandomRotation(0.1), keras.layers.RandomZoom(0.2)]
    ),
    "erasing": lambda: keras.layers.RandomErasing(factor=1.0, value_range=(0, 1)),
    "translation": lambda: keras.layers.RandomTranslation(0.2, 0.2),
}


@pytest.mark.parametrize("name", ["litert", "onnx", "saved_model"])
@pytest.mark.parametrize("layer", RANDOM_LAYERS)
def test_layers_that_are_random_in_training_are_off_in_an_exported_file(exported, tmp_path, layer, name):
    model = keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            RANDOM_LAYERS[layer](),
            keras.layers.Flatten(),
            keras.layers.Dense(7, activation="softmax"),
        ]
    )
    expected = model.predict(exported.faces / np.float32(255), verbose=0)
    path = tmp_path / f"x{export.FORMATS[name].suffix}"
    arguments = (exported.faces, exported.labels, expected)
    measurements = export.export_checked(model, name, path, *arguments)
    assert measurements["largest_difference"] < 1e-4


@pytest.mark.parametrize("name", export.FORMATS)
def test_measurements_describe_the_file(exported, name):
    measurements, path = exported.measurements[name], exported.path(name)
    assert measurements["format"] == name
    assert 0 <= measurements["agreement"] <= 1 and measurements["accuracy"] == measurements["agreement"]
    assert 0 < measurements["milliseconds"] <= measurements["milliseconds_99"]
    assert measurements["faces_per_second"] > 0
    if path.is_dir():
        assert measurements["bytes"] > 0 and measurements["folder_sha256"] == compute_folder_sha256(path)
    else:
        assert measurements["bytes"] == path.stat().st_size
        with open(path, "rb") as file:
            assert measurements["sha256"] == compute_sha256(file)


def test_labels_are_stored_where_the_format_can_hold_them(exported):
    with zipfile.ZipFile(exported.path("litert")) as archive:
        assert archive.read("labels.txt").decode().split() == list(EMOTIONS)
    import onnx

    properties = {entry.key: entry.value for entry in onnx.load(exported.path("onnx")).metadata_props}
    assert properties["labels"].split(",") == list(EMOTIONS)
    labels = exported.path("saved_model") / "assets.extra" / "labels.txt"
    assert labels.read_text(encoding="utf-8").split() == list(EMOTIONS)


def test_file_whose_probabilities_differ_is_not_kept(exported, tmp_path):
    path = tmp_path / "x.tflite"
    wrong = exported.probabilities[::-1]
    with pytest.raises(ValueError, match=r"x\.tflite was not saved.* 1e-04"):
        export.export_checked(exported.model, "litert", path, exported.faces, exported.labels, wrong)
    assert not list(tmp_path.iterdir())


def test_file_that_loses_accuracy_is_not_kept(exported, tmp_path):
    path = tmp_path / "x_int8.tflite"
    other_labels = np.roll(exported.labels, 1)
    expected = np.eye(7, dtype=np.float32)[other_labels]  # a network with an accuracy of 1 on these labels
    with pytest.raises(ValueError, match=r"x_int8\.tflite was not saved.*accuracy"):
        export.export_checked(exported.model, "litert_int8", path, exported.faces, other_labels, expected)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("export_format", [export.FORMATS["litert"], export.FORMATS["litert_int8"]])
def test_nan_never_agrees(export_format):
    with pytest.raises(ValueError, match="nan"):
        export.check_agreement(export_format, float("nan"), float("nan"))


class ForeignError(Exception):
    """An exporter's own type of error."""


@pytest.mark.parametrize(
    "error",
    [
        ForeignError("no kernel\nfor this operation"),
        KeyError("layer"),
        AssertionError(),
        MemoryError("8 GB"),
        ImportError("broken"),
        OSError("cannot write"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_any_error_of_an_exporter_is_reported_and_its_file_deleted(
    exported, tmp_path, monkeypatch, error, is_folder
):
    def write(model, path, emotions):
        if is_folder:
            path.mkdir()
        (path / "part" if is_folder else path).write_bytes(b"incomplete")
        raise error

    monkeypatch.setitem(export.FORMATS, "onnx", export.Format(".onnx", write))
    with pytest.raises(ValueError, match=rf"x\.onnx was not saved: {type(error).__name__}"):
        export.export_checked(
            exported.model,
            "onnx",
            tmp_path / "x.onnx",
            exported.faces,
            exported.labels,
            exported.probabilities,
        )
    assert not list(tmp_path.iterdir())


def test_folder_whose_name_has_a_dot_is_a_saved_model(exported, tmp_path):
    path = tmp_path / "Net_2.0_saved_model"
    path.symlink_to(exported.path("saved_model"), target_is_directory=True)
    faces = exported.faces[:3]
    np.testing.assert_allclose(
        EmotionClassifier(path, trust=True).predict_proba(faces), exported.probabilities[:3], atol=1e-4
    )


def test_missing_package_is_reported_with_the_install_command(exported, tmp_path, monkeypatch):
    needs_more = export.Format(".onnx", export.write_onnx, packages=("onnx", "a_package_that_is_absent"))
    monkeypatch.setitem(export.FORMATS, "onnx", needs_more)
    with pytest.raises(ImportError, match="pip install a_package_that_is_absent"):
        export.export_checked(
            exported.model,
            "onnx",
            tmp_path / "x.onnx",
            exported.faces,
            exported.labels,
            exported.probabilities,
        )
