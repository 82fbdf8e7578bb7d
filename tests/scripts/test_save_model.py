"""Step 13: the files, the model card, the metrics and the archive that it writes."""

import json
import re
import sys
import zipfile

import numpy as np
import pytest

import Save_model
from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference import export
from pipeline.inference.model_card import render_model_card
from pipeline.models import model_zoo, serialization
from pipeline.models.backend import keras
from pipeline.workflow import cli

FORMATS = ("keras", "litert", "saved_model")
NAME = "FER_CNN_LeNet-5"


@pytest.fixture(scope="module")
def saved(finished, tmp_path_factory):
    """A finished run, saved in a file format of each library and as a folder."""
    project = finished.copy(tmp_path_factory.mktemp("saved") / "project")
    output = project.run("Save_model.py", "--formats", *FORMATS, "--note", "Chosen by a test.")
    (project.root / "saved.txt").write_text(output, encoding="utf-8")
    return project


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_measurements_are_in_the_output_the_metrics_and_the_card(saved):
    card = read_json(saved.results / f"{NAME}.json")
    assert read_json(saved.results / "metrics.json")["exports"] == card["formats"]
    assert [facts["format"] for facts in card["formats"].values()] == list(FORMATS)
    output = (saved.root / "saved.txt").read_text(encoding="utf-8")
    assert all(name in output for name in card["formats"])


@pytest.mark.slow
def test_card_describes_the_run(saved):
    card, metrics = read_json(saved.results / f"{NAME}.json"), saved.store().read("metrics")
    assert card["name"] == NAME and card["note"] == "Chosen by a test." and card["is_sample"]
    assert card["metrics"] == metrics["splits"] and card["tta"] == metrics["tta"]
    assert [command.split()[1] for command in card["commands"]] == [
        "Load_dataSets.py",
        "Pre-processing_Data.py",
        "LeNet-5_model.py",
        "Compiling_model.py",
        "Performance.py",
    ]
    predictions = np.array(card["reference_predictions"])
    assert predictions.shape == (len(model_zoo.load_reference_faces()), 7)
    text = (saved.results / f"{NAME}.md").read_text(encoding="utf-8")
    assert text == render_model_card(card)


@pytest.mark.slow
def test_files_of_formats_that_are_no_longer_asked_for_are_deleted(finished, saved):
    assert (finished.results / f"{NAME}.h5").exists() and not (saved.results / f"{NAME}.h5").exists()
    names = {path.name for path in saved.results.glob(f"*{NAME}*")}
    card = read_json(saved.results / f"{NAME}.json")
    assert names == {*card["formats"], f"{NAME}.json", f"{NAME}.md", f"{NAME}.zip"}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_saved_files_are_compiled_so_that_evaluate_and_fit_work_at_once(finished, suffix):
    model = keras.models.load_model(str(finished.results / f"{NAME}{suffix}"))
    faces, targets = finished.store().read("test_x"), finished.store().read("test_y")
    accuracy = read_json(finished.results / "metrics.json")["splits"]["test"]["accuracy"]
    assert model.evaluate(faces, targets, verbose=0)[1] == pytest.approx(accuracy, abs=1e-3)
    before = model.get_weights()[0]
    history = model.fit(faces[:96], targets[:96], batch_size=48, verbose=0).history
    assert np.isfinite(history["loss"][0]) and not np.array_equal(model.get_weights()[0], before)
    assert model.optimizer.name == "adam" and float(model.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.slow
def test_archive_contains_all_files_and_folders(saved):
    with zipfile.ZipFile(saved.results / f"{NAME}.zip") as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert {f"{NAME}.{suffix}" for suffix in ("keras", "tflite", "json", "md")} <= names
        assert f"{NAME}_saved_model/saved_model.pb" in names
        assert archive.read(f"{NAME}.tflite") == (saved.results / f"{NAME}.tflite").read_bytes()


class FakeStore:
    """Holds the artifacts that step 13 exports from, without step 6."""

    def __init__(self):
        faces = model_zoo.load_reference_faces()
        labels = np.arange(len(faces)) // 2
        self.artifacts = {
            "test_x": faces,
            "test_y": np.eye(7)[labels],
            "ground_truth": {"test": {"label": labels}},
            "emotions": EMOTIONS,
        }

    def read(self, name):
        return self.artifacts[name]


@pytest.mark.slow
def test_format_without_its_package_is_skipped_and_the_rest_is_saved(tmp_path, monkeypatch, capsys):
    absent = export.Format(".onnx", export.write_onnx, packages=("a_package_that_is_absent",))
    monkeypatch.setitem(export.FORMATS, "onnx", absent)
    model = serialization.load_model(model_zoo.MODELS_DIR / "LeNet-5_baseline.keras")
    settings = Save_model.Settings(formats=("onnx", "litert"))
    formats, errors = Save_model.export_formats(settings, model, tmp_path, "model", FakeStore())
    assert list(formats) == ["model.tflite"] and (tmp_path / "model.tflite").exists() and not errors
    assert "pip install a_package_that_is_absent" in capsys.readouterr().out


@pytest.mark.slow
def test_rejected_file_is_an_error_and_the_rest_is_saved(tmp_path, monkeypatch):
    impossible = export.Format(".tflite", export.write_litert, max_difference=-1.0)
    monkeypatch.setitem(export.FORMATS, "litert", impossible)
    model = serialization.load_model(model_zoo.MODELS_DIR / "LeNet-5_baseline.keras")
    settings = Save_model.Settings(formats=("litert", "keras"))
    formats, errors = Save_model.export_formats(settings, model, tmp_path, "model", FakeStore())
    assert list(formats) == ["model.keras"] and [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    assert len(errors) == 1 and "model.tflite" in errors[0]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--formats"], "formats is ()"),
        (["--name", "../out"], "name is '../out'"),
        (["--name", "/tmp/out"], "name is '/tmp/out'"),
        (["--name", ".."], "name is '..'"),
        (["--name", "sub/out"], "name is 'sub/out'"),
        (["--name", "..\\\\out"], "name is"),
        (["--name", "C:out"], "name is 'C:out'"),
        (["--name", ".hidden"], "name is '.hidden'"),
        (["--name", "a\\nb"], "name is"),
        (["--name", "x" * 300], "name is"),
        (["--name", "CON"], "name is 'CON'"),  # devices of Windows
        (["--name", "nul.v2"], "name is 'nul.v2'"),
        (["--name", "Com1"], "name is 'Com1'"),
        (["--name", "LPT² .x"], "name is 'LPT² .x'"),
    ],
)
def test_settings_out_of_range_are_refused(flags, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["Save_model.py", *flags])
    with pytest.raises(ValueError, match=re.escape(message)):
        cli.parse_settings(Save_model.Settings)


@pytest.mark.parametrize(
    "name", ["", "Compact", "My net (2)", "Größe_v1.5", "a-b+c", "CONV", "Com10", "my.con"]
)
def test_usual_names_are_allowed(name, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["Save_model.py", "--name", name])
    assert cli.parse_settings(Save_model.Settings)[0].name == name


@pytest.mark.parametrize("name", ["metrics", "model", "Analysis", "classification_report"])
def test_names_of_other_results_are_refused(name):
    with pytest.raises(ValueError, match=name):
        Save_model.check_name(name)
