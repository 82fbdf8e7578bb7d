"""EmotionClassifier: batches of any size, no needless TensorFlow, and refusal of other files and faces."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline.data.pixels import to_float
from pipeline.evaluation.predict import predict_proba
from pipeline.inference.classifier import MAX_BATCH_SIZE, EmotionClassifier
from pipeline.models import model_zoo
from pipeline.models.backend import keras
from pipeline.workflow.fingerprint import compute_folder_sha256
from pipeline.workflow.steps import ROOT

LITERT_FILE = model_zoo.MODELS_DIR / "LeNet-5_baseline.tflite"


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier(LITERT_FILE)


def save_network(path, shape: tuple[int, ...], n_outputs: int) -> keras.Model:
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(n_outputs)])
    model.save(str(path))
    return model


def test_predictions_do_not_depend_on_the_batch_size(classifier, rng):
    faces = rng.integers(0, 256, (2 * MAX_BATCH_SIZE + 88, 48, 48), np.uint8)
    probabilities = classifier.predict_proba(faces)
    assert probabilities.shape == (len(faces), 7) and probabilities.dtype == np.float32
    for size in (1, 3, MAX_BATCH_SIZE, MAX_BATCH_SIZE + 1):
        np.testing.assert_allclose(classifier.predict_proba(faces[:size]), probabilities[:size], atol=1e-5)
    assert classifier.predict_proba(faces[:0]).shape == (0, 7)


def test_keras_network_is_wrapped_without_a_file(tmp_path, rng):
    model = save_network(tmp_path / "model.keras", (48, 48, 1), 7)
    faces = rng.integers(0, 256, (3, 48, 48, 1), np.uint8)
    expected = predict_proba(model, to_float(faces), tta=2)
    np.testing.assert_allclose(EmotionClassifier(model).predict_proba(faces, tta=2), expected, atol=1e-6)


def loaded_libraries(path) -> list[str]:
    """Predict in a new process; return the large libraries that it loaded."""
    code = (
        "import sys, numpy; from pipeline.inference.classifier import EmotionClassifier\n"
        f"EmotionClassifier({str(path)!r}).predict_proba(numpy.zeros((1, 48, 48), 'uint8'))\n"
        "print(*[name for name in ('tensorflow', 'keras', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return process.stdout.split()


@pytest.mark.slow
def test_litert_file_runs_without_tensorflow():
    assert loaded_libraries(LITERT_FILE) == []


@pytest.mark.slow
def test_onnx_file_runs_without_tensorflow(exported):
    assert loaded_libraries(exported.path("onnx")) == []


@pytest.mark.parametrize(
    "faces",
    [np.zeros((1, 48, 48), np.float32), np.zeros((1, 64, 64), np.uint8), np.zeros((48, 48), np.uint8)],
    ids=["float", "64 pixels", "no batch"],
)
def test_faces_of_other_shape_or_type_are_refused(classifier, faces):
    with pytest.raises(ValueError, match=r"uint8 of shape \(N, 48, 48\)"):
        classifier.predict_proba(faces)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["litert", "onnx", "keras", "h5"])
def test_truncated_file_is_refused(exported, tmp_path, name):
    path = tmp_path / f"truncated{exported.path(name).suffix}"
    path.write_bytes(exported.path(name).read_bytes()[:5000])
    with pytest.raises(ValueError, match=rf"truncated\{path.suffix}"):
        EmotionClassifier(path)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".keras", ".h5"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05cposix\nsystem\n(S'true'\ntR."], ids=["empty", "pickle"])
def test_file_that_is_not_a_model_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\{suffix}"):
        EmotionClassifier(path)


def test_network_for_other_faces_is_refused(tmp_path):
    save_network(tmp_path / "wide.keras", (64, 64, 3), 7)
    with pytest.raises(ValueError, match=r"wide\.keras .*48x48"):
        EmotionClassifier(tmp_path / "wide.keras")


def test_network_with_other_outputs_is_refused(tmp_path):
    save_network(tmp_path / "ten.keras", (48, 48, 1), 10)
    with pytest.raises(ValueError, match=r"ten\.keras .*\(10,\).* 7 "):
        EmotionClassifier(tmp_path / "ten.keras")


@pytest.mark.slow
def test_saved_model_of_an_unknown_author_is_loaded_only_if_it_is_trusted(tmp_path, rng):
    """A SavedModel runs its graph while it is loaded; this one writes a file."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 48, 48, 1), tf.uint8)])
        def serve(self, faces):
            tf.io.write_file(str(tmp_path / "written"), "x")
            return tf.fill((tf.shape(faces)[0], 7), 1 / 7)

    path = tmp_path / "model_saved_model"
    tf.saved_model.save(Model(), str(path))
    written = tmp_path / "written"
    written.unlink(missing_ok=True)
    cards = [
        None,
        {"formats": {}},
        {"formats": {path.name: {"bytes": 1}}},
        {"formats": {path.name: {"sha256": "0"}}},
    ]
    for card in cards:
        if card:
            path.with_name("model.json").write_text(json.dumps(card))
        with pytest.raises(ValueError, match="--trust"):
            EmotionClassifier(path)
        assert not written.exists()
    card = {"formats": {path.name: {"folder_sha256": compute_folder_sha256(path)}}}
    path.with_name("model.json").write_text(json.dumps(card))
    assert EmotionClassifier(path).predict_proba(np.zeros((1, 48, 48), np.uint8)).shape == (1, 7)
    (path / "assets" / "added.txt").write_bytes(b"x")
    with pytest.raises(ValueError, match="SHA-256"):
        EmotionClassifier(path, trust=True)
    path.with_name("model.json").unlink()
    assert EmotionClassifier(path, trust=True).path == path


def test_other_formats_and_missing_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x\.pkl .*\.tflite"):
        EmotionClassifier(tmp_path / "x.pkl")
    with pytest.raises(FileNotFoundError, match=r"absent\.onnx"):
        EmotionClassifier(tmp_path / "absent.onnx")
