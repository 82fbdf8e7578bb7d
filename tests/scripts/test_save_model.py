"""Step 13: the files, the model card, the metrics and the archive that it writes."""

import json
import re
import sys
import zipfile

import numpy as np
import pytest

import Save_model
from pipeline.inference import export
from pipeline.inference.model_card import render_model_card
from pipeline.models import model_zoo, serialization
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
            "train_x": faces,
            "test_x": faces,
            "test_y": np.eye(7)[labels],
            "ground_truth": {"test": {"label": labels}},
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
        (["--calibration-faces", "0"], "calibration_faces is 0"),
        (["--calibration-faces", "-5"], "calibration_faces is -5"),
    ],
)
def test_settings_out_of_range_are_refused(flags, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["Save_model.py", *flags])
    with pytest.raises(ValueError, match=re.escape(message)):
        cli.parse_settings(Save_model.Settings)
