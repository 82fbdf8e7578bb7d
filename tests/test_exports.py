"""Step 13's formats: the same answer from each, in its own runtime; and files that nobody should run."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference import export
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo, serialization

ROOT = Path(__file__).resolve().parent.parent
ALL = tuple(export.FORMATS)


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    """A finished run, saved in every format."""
    project = finished.copy(tmp_path_factory.mktemp("exported") / "project")
    (project.root / "printed.txt").write_text(
        project.run("Save_model.py", "--formats", *ALL), encoding="utf-8"
    )
    return project


def file_of(project, name: str) -> Path:
    return project.results / f"FER_CNN_LeNet-5{export.FORMATS[name].ending}"


@pytest.mark.parametrize("name", ALL)
def test_every_format_answers_as_the_network_that_was_trained(exported, name):
    store = exported.store()
    faces = np.rint(store.read("test_x") * 255).astype(np.uint8)
    expected = store.read("predictions")["test"]["probabilities"]
    answers = EmotionClassifier(file_of(exported, name)).predict_proba(faces)
    assert answers.dtype == np.float32 and answers.shape == expected.shape
    if name == "litert_int8":
        assert np.mean(answers.argmax(axis=1) == expected.argmax(axis=1)) > 0.95
    else:
        np.testing.assert_allclose(answers, expected, atol=export.FORMATS[name].largest_difference)
    one_by_one = np.concatenate(
        [EmotionClassifier(file_of(exported, name)).predict_proba(faces[:1, :, :, 0]) for _ in range(2)]
    )
    np.testing.assert_allclose(one_by_one, answers[[0, 0]], atol=1e-5)


def test_the_table_is_in_metrics_and_card(exported):
    card = json.loads((exported.results / "FER_CNN_LeNet-5.json").read_text(encoding="utf-8"))
    metrics = json.loads((exported.results / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["exports"] == card["formats"]
    assert [facts["format"] for facts in card["formats"].values()] == list(ALL)
    text = (exported.results / "FER_CNN_LeNet-5.md").read_text(encoding="utf-8")
    for name in card["formats"]:
        assert f"`{name}`" in text and name in (exported.root / "printed.txt").read_text(encoding="utf-8")


def test_labels_are_inside_where_the_format_has_a_place(exported):
    with zipfile.ZipFile(file_of(exported, "litert")) as associated:
        assert associated.read("labels.txt").decode().split() == list(EMOTIONS)
    import onnx

    properties = {entry.key: entry.value for entry in onnx.load(file_of(exported, "onnx")).metadata_props}
    assert properties["labels"].split(",") == list(EMOTIONS)
    extra = file_of(exported, "saved_model") / "assets.extra" / "labels.txt"
    assert extra.read_text(encoding="utf-8").split() == list(EMOTIONS)


def test_an_export_that_disagrees_is_refused_named_and_not_left_behind(exported, tmp_path, monkeypatch):
    store = exported.store()
    model = serialization.unpack(store.read("trained_model"))
    faces, labels = np.rint(store.read("test_x") * 255).astype(np.uint8), store.read("test_y").argmax(axis=1)
    path = tmp_path / "x.tflite"
    path.write_bytes(b"what was there before")
    expected = store.read("predictions")["test"]["probabilities"]
    with pytest.raises(ValueError, match=r"x\.tflite, loaded again, differs by .* 1e-04 is let pass"):
        export.export_checked(model, "litert", path, faces, labels, expected[::-1], faces[:2])
    assert path.read_bytes() == b"what was there before" and list(tmp_path.iterdir()) == [path]
    worse = export.Format(".tflite", export.write_litert, largest_loss=1e-9)
    monkeypatch.setitem(export.FORMATS, "litert_int8", worse)
    right = np.eye(7, dtype=np.float32)[labels]
    with pytest.raises(ValueError, match="points less often than the network"):
        export.export_checked(model, "litert_int8", path, faces, labels, right, faces[:2])


def test_a_format_that_lacks_its_package_is_left_out_and_the_rest_goes_on(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    lacking = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n: None if n == 'tf2onnx' else f(n)"
    code = (project.root / "Save_model.py").read_text(encoding="utf-8")
    (project.root / "Save_model.py").write_text(
        code.replace("import json\n", f"{lacking}\nimport json\n", 1), "utf-8"
    )
    printed = project.run("Save_model.py", "--formats", "onnx", "litert")
    assert "left out: onnx needs packages: python -m pip install tf2onnx" in printed
    assert (project.results / "FER_CNN_LeNet-5.tflite").exists()
    assert "Nothing was saved" in project.run("Save_model.py", "--formats", "onnx", status=1)


# --------------------------------------------------------------------------------------------------
# The runtime
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_it_starts_without_tensorflow(exported, name):
    code = (
        "import sys, time, numpy; from pipeline.inference.classifier import EmotionClassifier\n"
        f"print(EmotionClassifier({str(file_of(exported, name))!r}).predict_proba(numpy.zeros((1, 48, 48), 'uint8')).shape)\n"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[:2] == ["(1, 7)", "[]"]


def test_batches_of_any_size_answer_alike(exported, rng):
    classifier = EmotionClassifier(file_of(exported, "litert"))
    faces = rng.integers(0, 256, (600, 48, 48), np.uint8)
    whole = classifier.predict_proba(faces)
    for size in (1, 3, 256, 257):
        np.testing.assert_allclose(classifier.predict_proba(faces[:size]), whole[:size], atol=1e-5)
    assert classifier.predict_proba(faces[:0]).shape == (0, 7)


@pytest.mark.parametrize(
    "faces",
    [np.zeros((1, 48, 48), np.float32), np.zeros((1, 64, 64), np.uint8), np.zeros((48, 48), np.uint8)],
)
def test_faces_of_another_kind_are_a_sentence(exported, faces):
    with pytest.raises(ValueError, match=r"should be uint8 of shape \(N, 48, 48\)"):
        EmotionClassifier(file_of(exported, "litert")).predict_proba(faces)


@pytest.mark.parametrize("name", ["litert", "onnx", "keras", "h5"])
def test_a_file_cut_short_is_refused(exported, tmp_path, name):
    path = tmp_path / f"cut{export.FORMATS[name].ending}"
    path.write_bytes(file_of(exported, name).read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.\w+ (is no|does not take)"):
        EmotionClassifier(path)


@pytest.mark.parametrize("ending", [".tflite", ".onnx", ".keras", ".h5"])
@pytest.mark.parametrize(
    "content", [b"", b"\x80\x05cposix\nsystem\n(S'true'\ntR."], ids=["empty", "a pickle"]
)
def test_what_is_no_network_is_refused(tmp_path, ending, content):
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.\w+ is no "):
        EmotionClassifier(path)


def test_networks_for_something_else_are_refused(tmp_path):
    def saved(name: str, shape: tuple[int, ...], answers: int) -> Path:
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(answers)]
        keras.Sequential(layers).save(tmp_path / name)
        return tmp_path / name

    with pytest.raises(ValueError, match="does not take faces of 48x48"):
        EmotionClassifier(saved("wide.keras", (64, 64, 3), 7))
    with pytest.raises(ValueError, match=r"answers \(10,\) for a face, not 7"):
        EmotionClassifier(saved("ten.keras", (48, 48, 1), 10))
    with pytest.raises(ValueError, match="none of the formats that can be run"):
        EmotionClassifier(tmp_path / "x.pkl")
    with pytest.raises(FileNotFoundError, match="is not there"):
        EmotionClassifier(tmp_path / "absent.onnx")


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path):
    """A .keras is a zip; this one holds little and unpacks to more than a gigabyte."""
    path = tmp_path / "bomb.keras"
    model = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7)])
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("metadata.json", "config.json"):
            archive.writestr(name, parts[name])
        with archive.open("model.weights.h5", "w", force_zip64=True) as weights:
            zeros = bytes(1 << 24)
            for _ in range(72):
                weights.write(zeros)
    with pytest.raises(ValueError, match=r"bomb\.keras would unpack to"):
        serialization.load_model(path)


@pytest.mark.parametrize("path", sorted(model_zoo.MODELS_DIR.glob("*.tflite")), ids=lambda path: path.stem)
def test_a_shipped_litert_file_answers_as_its_card_says(path):
    answers = EmotionClassifier(path).predict_proba(
        np.rint(model_zoo.load_reference_faces() * 255).astype(np.uint8)
    )
    np.testing.assert_allclose(answers, model_zoo.read_model_card(path)["drawn_faces"], atol=1e-4)


def test_a_zip_of_a_run_with_a_folder_in_it_is_whole(exported):
    with zipfile.ZipFile(exported.results / "FER_CNN_LeNet-5.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert "FER_CNN_LeNet-5_saved_model/saved_model.pb" in names
        assert io.BytesIO(archive.read("FER_CNN_LeNet-5.tflite")).getbuffer().nbytes > 100_000
