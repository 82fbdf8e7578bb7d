"""The thirteen steps as a person runs them, on the drawn sample: in order, alone, and wrongly."""

import csv
import json
import re
import zipfile

from pipeline.workflow.cli import to_plain

import numpy as np
import pytest
from PIL import Image

from pipeline.data import csv_reader, fer2013
from pipeline.data.fer2013 import EMOTIONS
from pipeline.models import serialization
from pipeline.workflow.steps import STEPS

SCRIPTS = [step.script for step in STEPS]


# --------------------------------------------------------------------------------------------------
# A whole run
# --------------------------------------------------------------------------------------------------
def metrics_of(project) -> dict:
    return json.loads((project.results / "metrics.json").read_text(encoding="utf-8"))


def test_a_whole_run_recognizes_the_drawn_faces(finished):
    """LeNet-5 learns what is drawn (chance is 25%), but not all: a twentieth of the labels are wrong."""
    splits = metrics_of(finished)["splits"]
    assert 0.78 < splits["test"]["accuracy"] < 0.95
    low, high = splits["test"]["accuracy_95"]
    assert low < splits["test"]["accuracy"] < high


def test_every_step_reads_writes_and_shows_what_it_is_said_to(finished):
    manifest = finished.store().manifest()
    shown = {path.name for path in finished.results.iterdir()}
    for step in STEPS:
        record = manifest["steps"][step.script]
        assert set(record["outputs"]) == set(step.writes), step.script
        if step.number != 7:  # step 7 looks at train_x's shape alone
            assert set(record["inputs"]) == set(step.reads), step.script
        for pattern in step.results:
            assert any(finished.results.glob(pattern)), f"{step.script} shows no {pattern}"
    told = [pattern.replace("*", "LeNet-5") for step in STEPS for pattern in step.results]
    assert shown == {*told, "report.html"}


def test_nothing_unfinished_is_left_behind(finished):
    assert not list(finished.root.rglob(".unfinished*"))
    artifacts = finished.store().manifest()["artifacts"]
    assert {path.name for path in finished.data.glob("*.pkl")} == {
        entry["file"] for entry in artifacts.values()
    }


def test_the_sample_is_called_one_on_the_screen_in_metrics_and_card(finished):
    printed = (finished.root / "printed.txt").read_text(encoding="utf-8")
    assert "DATA: DRAWN SAMPLE, NOT FER2013" in printed
    assert "DRAWN SAMPLE, NOT FER2013" in metrics_of(finished)["data"]
    assert "DRAWN SAMPLE, NOT FER2013" in (finished.results / "FER_CNN_LeNet-5.md").read_text(
        encoding="utf-8"
    )


def test_every_figure_names_its_data_in_the_footer(project, monkeypatch):
    """The footer is drawn by plots.save alone, and all figures go through it."""
    for script in [*SCRIPTS, "pipeline/figures/model_diagram.py", "pipeline/models/build_step.py"]:
        code = (project.root / script).read_text(encoding="utf-8")
        assert "savefig" not in code, script
        ways = ("plots.save(", "diagram.draw(", "run_network(")
        assert ".png" not in code or any(way in code for way in ways), script

    from pipeline.figures import plots

    monkeypatch.setattr(plots, "RESULTS", project.results)
    figure = plots.plt.figure()
    plots.save_figure(figure, "x.png", {"is_sample": True, "label": "DRAWN SAMPLE, NOT FER2013"})
    assert [text.get_text() for text in figure.texts] == ["Data: DRAWN SAMPLE, NOT FER2013"]


def test_all_pictures_are_pictures(finished):
    pictures = list(finished.results.glob("*.png"))
    assert len(pictures) == 8
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width > 600 and np.asarray(picture.convert("L")).std() > 5, path.name


def test_run_tells_times_and_where_to_look(finished):
    printed = (finished.root / "printed.txt").read_text(encoding="utf-8")
    for step in STEPS:
        assert re.search(rf"^ +{step.number}  {re.escape(step.script)} +\d+\.\d ", printed, re.MULTILINE), (
            step.script
        )
    assert "results/confusion_matrix.png" in printed and "test faces right (95% interval" in printed


def test_lenet_5_is_lenet_5(finished):
    model = serialization.unpack(finished.store().read("model"))
    assert model.count_params() == 168_971
    kinds = [(type(layer).__name__, layer.output.shape[1:]) for layer in model.layers]
    assert kinds == [
        ("Conv2D", (44, 44, 6)), ("MaxPooling2D", (22, 22, 6)), ("Conv2D", (18, 18, 16)), ("MaxPooling2D", (9, 9, 16)),
        ("Flatten", (1296,)), ("Dense", (120,)), ("Dense", (84,)), ("Dense", (7,)),
    ]  # fmt: skip
    activations = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
    assert activations == ["relu"] * 4 + ["softmax"]


def test_arrays_are_the_table_divided_by_255_and_one_hot(finished):
    store = finished.store()
    table = store.read("dataset")
    for usage, short in zip(fer2013.USAGES, ("train", "val", "test"), strict=True):
        faces, one_hot = store.read(f"{short}_x"), store.read(f"{short}_y")
        rows = table["Usage"] == usage
        assert faces.dtype == np.float32 and faces.shape == (rows.sum(), 48, 48, 1)
        plain_faces = table["pixels"][rows][:5].tolist()
        expected = np.array([[[value / 255.0 for value in line] for line in face] for face in plain_faces])
        np.testing.assert_allclose(faces[:5, :, :, 0], expected, rtol=1e-6)
        assert (
            np.array_equal(one_hot.argmax(axis=1), table["emotion"][rows])
            and (one_hot.sum(axis=1) == 1).all()
        )


def test_the_zip_holds_models_and_card(finished):
    with zipfile.ZipFile(finished.results / "FER_CNN_LeNet-5.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            f"FER_CNN_LeNet-5.{ending}" for ending in ("h5", "json", "keras", "md", "tflite")
        ]
        card = json.loads(archive.read("FER_CNN_LeNet-5.json"))
    assert list(card["labels"].values()) == list(EMOTIONS)
    assert card["metrics"]["test"]["accuracy"] == metrics_of(finished)["splits"]["test"]["accuracy"]
    assert card["settings"]["trained_model"]["epochs"] == 12


# --------------------------------------------------------------------------------------------------
# A step alone
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", [step for step in STEPS if step.reads], ids=lambda step: step.script)
def test_a_step_without_its_neighbors_names_the_script_to_run_first(project, step):
    printed = project.run(step.script, status=1)
    assert "Traceback" not in printed
    assert re.search(r"data/ has no \w+ yet\. Run: python \S+\.py", printed.splitlines()[-1]), printed


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.script)
def test_unknown_flags_and_wrong_types_are_named(project, step):
    assert "--bogus" in project.run(step.script, "--bogus", "1", status=2)
    number = {2: "--seed", 3: "--nearly-black", 5: "--seed", 7: "--seed", 8: "--epochs", 9: "--batch-size"}
    if step.number in number:
        assert number[step.number] in project.run(step.script, number[step.number], "many", status=2)


def test_changed_settings_are_printed_and_recorded(project):
    printed = project.run("Load_dataSets.py", "--sample-size", 300, "--seed", 4)
    assert "sample_size = 300 (in the file: 8000)" in printed and "seed = 4 (in the file: 0)" in printed
    recorded = project.store().entry("dataset")["settings"]
    assert (recorded["sample_size"], recorded["seed"]) == (300, 4)


def test_help_shows_the_comments_of_the_settings(project):
    printed = " ".join(project.run("Compiling_model.py", "--help").replace("│", " ").split())
    assert "times that each training face is seen" in printed and "default: 30" in printed


def test_analysis_finds_what_is_wrong_with_the_data(project, tmp_path, small_table):
    table = {name: column.copy() for name, column in small_table.items()}
    rows = {usage: np.flatnonzero(table["Usage"] == usage) for usage in fer2013.USAGES}
    train, validation, test = (rows[usage] for usage in fer2013.USAGES)
    table["pixels"][train[0]] = 0  # constant, nearly black
    table["pixels"][train[1]] = 200  # constant
    table["pixels"][train[3]] = table["pixels"][train[2]]  # a repeat
    table["emotion"][train[3]] = (table["emotion"][train[2]] + 1) % 7  # with another label
    table["pixels"][validation[:4]] = table["pixels"][train[10:14]]  # leaks
    table["pixels"][test[:5]] = table["pixels"][train[20:25]]
    csv_reader.write_csv(table, tmp_path / "Dataset.csv")
    project.run("Load_dataSets.py", "--dataset", tmp_path / "Dataset.csv")
    project.run("Analizing_DataSet.py")

    analysis = json.loads((project.results / "analysis.json").read_text(encoding="utf-8"))
    labels_differ = [
        group
        for group in zip(train[10:14], validation[:4], strict=True)
        if len({*table["emotion"][list(group)]}) > 1
    ]
    labels_differ += [
        group
        for group in zip(train[20:25], test[:5], strict=True)
        if len({*table["emotion"][list(group)]}) > 1
    ]
    assert analysis["images"]["constant"] == 2 and analysis["images"]["constant_rows"] == [1, 2]
    assert analysis["images"]["nearly_black"] == 1
    assert analysis["duplicates"] == {
        "groups": 10,
        "repeated_rows": 10,
        "repeated_rows_within": {"Training": 1, "PublicTest": 0, "PrivateTest": 0},
        "also_in_training": {"PublicTest": 4, "PrivateTest": 5},
        "groups_with_different_labels": 1 + len(labels_differ),
    }
    assert sum(sum(split.values()) for split in analysis["counts"].values()) == 300

    project.run("Pre-processing_Data.py", "--drop-constant", "--drop-leaked")
    assert len(project.store().read("train_x")) == len(train) - 2 - 9
    assert len(project.store().read("test_x")) == len(test)
    assert "trained on as well" in project.run("Pre-processing_Data.py", "--validation-too")
    faces, val = project.store().read("train_x"), project.store().read("val_x")
    assert np.array_equal(faces[-len(val) :], val) and len(project.store().read("train_y")) == len(faces)
    assert len(faces) == len(train) + len(val) and len(project.store().read("test_x")) == len(test)
    project.run("Pre-processing_Data.py")
    assert len(project.store().read("train_x")) == len(train)


def test_a_missing_library_is_named_with_the_command_that_installs_it(project):
    (project.root / "seaborn.py").write_text("raise ImportError('not today')\n")
    printed = project.run("Import_Libraries.py", status=1)
    assert (
        "seaborn is missing or broken (not today). Install it with: python -m pip install seaborn" in printed
    )


def test_libraries_are_listed_with_versions_backend_and_devices(finished):
    environment = finished.store().read("environment")
    assert environment["versions"]["numpy"] == np.__version__
    assert environment["backend"] == "tensorflow" and "cpu:0" in environment["devices"]


def test_download_that_fails_is_a_sentence(project):
    (project.root / "kagglehub.py").write_text(
        "def dataset_download(name):\n    raise RuntimeError('no route')\n"
    )
    printed = project.run("Load_dataSets.py", "--download", status=1)
    assert (
        "could not be fetched from Kaggle (RuntimeError: no route)" in printed and "Traceback" not in printed
    )


# --------------------------------------------------------------------------------------------------
# New pictures
# --------------------------------------------------------------------------------------------------
def test_the_network_in_data_recognizes_new_faces(finished, tmp_path, small_table):
    project = finished.copy(tmp_path / "copy")
    faces, folder = small_table["pixels"], tmp_path / "my faces"
    folder.mkdir()
    Image.fromarray(faces[0]).save(folder / "one.png")
    Image.fromarray(faces[1]).convert("RGB").save(folder / "=two.png")
    (folder / "text.jpg").write_text("not a picture")
    Image.fromarray(faces[4]).save(folder / "z $\\frac{$ \udcff.png")  # neither mathematics nor UTF-8
    rows = {name: column[2:4] for name, column in small_table.items()}
    csv_reader.write_csv(rows, tmp_path / "rows.csv")

    printed = project.run("Classification.py", "--faces", "crop", "--images", folder / "one.png")
    assert "recognized by Strong.tflite" in printed and "knows drawn faces only; --model data" in printed
    named = [folder, tmp_path / "rows.csv", tmp_path / "absent.png"]
    flags = ("--faces", "crop", "--views", 1, "--model", "data")
    printed = project.run("Classification.py", *flags, "--images", *named)
    assert "text.jpg cannot be read as a picture" in printed and "absent.png cannot be read" in printed
    model = serialization.unpack(project.store().read("trained_model"))
    assert f"recognized by the {model.name} in data/, trained on" in printed and "2 files not read" in printed
    assert "macro avg" in printed and (project.results / "new_pictures.png").exists()

    with open(project.results / "classification.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["emotion"]]
    told = np.array([[float(row[name]) for name in EMOTIONS] for row in rows])
    expected = model.predict(faces[[1, 0, 4, 2, 3], :, :, None] / np.float32(255), verbose=0)
    np.testing.assert_allclose(told, expected, atol=1e-4)
    assert [row["emotion"] for row in rows] == [EMOTIONS[place] for place in expected.argmax(axis=1)]


def test_settings_are_recorded_as_json_can_hold_them(tmp_path):
    assert to_plain({"a": (1, tmp_path)}) == {"a": [1, str(tmp_path)]}
