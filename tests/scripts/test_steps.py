"""The thirteen steps as a user runs them on the synthetic sample: all in order, and each alone."""

import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from pipeline.data import csv_reader, fer2013
from pipeline.data.fer2013 import EMOTIONS
from pipeline.models import serialization
from pipeline.workflow.steps import ROOT, STEPS

pytestmark = pytest.mark.slow


def read_metrics(project) -> dict:
    return json.loads((project.results / "metrics.json").read_text(encoding="utf-8"))


# --------------------------------------------------------------------------------------------------
# A run of all steps
# --------------------------------------------------------------------------------------------------
def test_network_learns_the_synthetic_faces(finished):
    """A constant prediction is right for 25% of them; a twentieth of the labels is wrong on purpose."""
    test = read_metrics(finished)["splits"]["test"]
    assert 0.6 < test["accuracy"] < 0.95
    low, high = test["accuracy_ci95"]
    assert low < test["accuracy"] < high


def test_each_step_reads_and_writes_what_steps_declares(finished):
    manifest = finished.store().manifest()
    for step in STEPS:
        record = manifest["steps"][step.script]
        assert set(record["outputs"]) == set(step.writes), step.script
        if step.number != 7:  # step 7 reads the shape of train_x only
            assert set(record["inputs"]) == set(step.reads), step.script
        for pattern in step.results:
            assert any(finished.results.glob(pattern)), f"{step.script} did not write {pattern}"
    declared = {pattern.replace("*", "LeNet-5") for step in STEPS for pattern in step.results}
    assert {path.name for path in finished.results.iterdir()} == {*declared, "report.html", "networks.json"}


def test_no_temporary_or_unlisted_file_remains(finished):
    assert not list(finished.root.rglob(".unfinished*"))
    artifacts = finished.store().manifest()["artifacts"]
    files = {path.name for path in finished.data.glob("*.pkl")}
    assert files == {entry["file"] for entry in artifacts.values()}


def test_synthetic_sample_is_labeled_on_the_screen_in_metrics_and_card(finished):
    label = finished.store().read("source")["label"]
    assert "NOT FER2013" in label
    assert f"Data: {label}" in (finished.root / "printed.txt").read_text(encoding="utf-8")
    assert read_metrics(finished)["data"] == label
    assert label in (finished.results / "FER_CNN_LeNet-5.md").read_text(encoding="utf-8")


def test_no_line_on_the_screen_is_wider_than_100_characters(finished):
    lines = (finished.root / "printed.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 100] == []


def test_figures_are_not_empty(finished):
    paths = list(finished.results.glob("*.png"))
    assert len(paths) == 8
    for path in paths:
        with Image.open(path) as image:
            assert image.width > 600 and np.asarray(image.convert("L")).std() > 5, path.name


def test_summary_lists_durations_outputs_and_accuracy(finished):
    printed = (finished.root / "printed.txt").read_text(encoding="utf-8")
    for step in STEPS:
        line = rf"^ +{step.number}  {re.escape(step.script)} +\d+\.\d "
        assert re.search(line, printed, re.MULTILINE), step.script
    accuracy = read_metrics(finished)["splits"]["test"]["accuracy"]
    assert "results/confusion_matrix.png" in printed and f"test accuracy {accuracy:.2%}" in printed
    assert "results/report.html" in printed and "python3 run.py --images" in printed.splitlines()[-3]


def test_lenet_5_has_the_published_layers(finished):
    model = serialization.unpack(finished.store().read("model"))
    assert model.count_params() == 168_971
    layers = [(type(layer).__name__, layer.output.shape[1:]) for layer in model.layers]
    assert layers == [
        ("Conv2D", (44, 44, 6)), ("MaxPooling2D", (22, 22, 6)), ("Conv2D", (18, 18, 16)), ("MaxPooling2D", (9, 9, 16)),
        ("Flatten", (1296,)), ("Dense", (120,)), ("Dense", (84,)), ("Dense", (7,)),
    ]  # fmt: skip
    activations = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
    assert activations == ["relu"] * 4 + ["softmax"]


def test_arrays_are_the_table_divided_by_255_and_one_hot_labels(finished):
    store = finished.store()
    table = store.read("dataset")
    for usage, split in zip(fer2013.USAGES, ("train", "val", "test"), strict=True):
        faces, one_hot = store.read(f"{split}_x"), store.read(f"{split}_y")
        rows = table["Usage"] == usage
        assert faces.dtype == np.float32 and faces.shape == (rows.sum(), 48, 48, 1)
        expected = table["pixels"][rows][:5].reshape(-1, 48, 48) / 255.0
        np.testing.assert_allclose(faces[:5, :, :, 0], expected, rtol=1e-6)
        assert np.array_equal(one_hot.argmax(axis=1), table["emotion"][rows])
        assert (one_hot.sum(axis=1) == 1).all()


def test_zip_holds_the_models_and_the_card(finished):
    with zipfile.ZipFile(finished.results / "FER_CNN_LeNet-5.zip") as archive:
        assert archive.testzip() is None
        suffixes = ("h5", "json", "keras", "md", "tflite")
        assert sorted(archive.namelist()) == [f"FER_CNN_LeNet-5.{suffix}" for suffix in suffixes]
        card = json.loads(archive.read("FER_CNN_LeNet-5.json"))
    assert list(card["labels"].values()) == list(EMOTIONS)
    assert card["metrics"]["test"]["accuracy"] == read_metrics(finished)["splits"]["test"]["accuracy"]
    assert card["settings"]["trained_model"]["epochs"] == 6


def test_libraries_are_recorded_with_versions_backend_and_devices(finished):
    environment = finished.store().read("environment")
    assert environment["versions"]["numpy"] == np.__version__
    assert environment["backend"] == "tensorflow" and "cpu:0" in environment["devices"]


# --------------------------------------------------------------------------------------------------
# A step alone
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", [step for step in STEPS if step.reads], ids=lambda step: step.script)
def test_step_without_its_inputs_names_the_script_to_run_first(project, step):
    printed = project.run(step.script, status=1)
    assert "Traceback" not in printed
    assert re.search(r"data/ has no \w+.*python3 \S+\.py", printed.splitlines()[-1]), printed


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.script)
def test_unknown_flag_is_named(project, step):
    assert "--bogus" in project.run(step.script, "--bogus", "1", status=2)


def test_changed_settings_are_printed_and_recorded(project):
    printed = project.run("Load_dataSets.py", "--sample-size", 300, "--seed", 4)
    assert "sample_size = 300" in printed and "seed = 4" in printed
    recorded = project.store().entry("dataset")["settings"]
    assert (recorded["sample_size"], recorded["seed"]) == (300, 4)


def test_help_shows_the_comments_of_the_settings(project):
    code = (project.root / "Compiling_model.py").read_text(encoding="utf-8")
    comment = re.search(r"^    epochs: PositiveInt = 30  # (.+)$", code, re.MULTILINE).group(1)
    printed = " ".join(project.run("Compiling_model.py", "--help").replace("\u2502", " ").split())
    assert comment in printed and "default: 30" in printed


@pytest.fixture
def flawed(project, tmp_path, small_table) -> dict:
    """Load a data set with known defects; returns the rows of each split and the pairs of rows with equal images."""
    table = {name: column.copy() for name, column in small_table.items()}
    train, validation, test = (np.flatnonzero(table["Usage"] == usage) for usage in fer2013.USAGES)
    table["pixels"][train[0]] = 0  # constant and nearly black
    table["pixels"][train[1]] = 200  # constant
    pairs = [(train[2], train[3])]
    table["emotion"][train[3]] = (table["emotion"][train[2]] + 1) % 7  # a duplicate with another label
    pairs += [*zip(train[10:14], validation, strict=False), *zip(train[20:25], test, strict=False)]  # leaks
    for original, duplicate in pairs:
        table["pixels"][duplicate] = table["pixels"][original]
    csv_reader.write_csv(table, tmp_path / "Dataset.csv")
    project.run("Load_dataSets.py", "--dataset", tmp_path / "Dataset.csv")
    n_conflicts = sum(table["emotion"][first] != table["emotion"][second] for first, second in pairs)
    return {"train": train, "val": validation, "test": test, "n_conflicts": n_conflicts}


def test_analysis_counts_constant_dark_and_duplicate_images(project, flawed):
    project.run("Analizing_DataSet.py")
    analysis = json.loads((project.results / "analysis.json").read_text(encoding="utf-8"))
    assert analysis["images"]["constant"] == 2 and analysis["images"]["constant_rows"] == [1, 2]
    assert analysis["images"]["nearly_black"] == 1
    assert analysis["duplicates"] == {
        "groups": 10,
        "repeated_rows": 10,
        "repeated_rows_within": {"Training": 1, "PublicTest": 0, "PrivateTest": 0},
        "also_in_training": {"PublicTest": 4, "PrivateTest": 5},
        "groups_with_different_labels": flawed["n_conflicts"],
    }
    assert sum(sum(split.values()) for split in analysis["counts"].values()) == 300


def test_pre_processing_drops_constant_and_leaked_images_on_request(project, flawed):
    project.run("Pre-processing_Data.py")
    assert len(project.store().read("train_x")) == len(flawed["train"])
    project.run("Pre-processing_Data.py", "--drop-constant", "--drop-leaked")
    assert len(project.store().read("train_x")) == len(flawed["train"]) - 2 - 9
    assert len(project.store().read("test_x")) == len(flawed["test"])


def test_pre_processing_appends_validation_to_train_on_request(project, flawed):
    project.run("Pre-processing_Data.py", "--train-on-validation")
    faces, validation = project.store().read("train_x"), project.store().read("val_x")
    assert len(faces) == len(flawed["train"]) + len(flawed["val"]) == len(project.store().read("train_y"))
    assert np.array_equal(faces[-len(validation) :], validation)
    assert len(project.store().read("test_x")) == len(flawed["test"])


def test_each_declared_dependency_is_listed():
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = (ROOT / "Import_Libraries.py").read_text(encoding="utf-8")
    for heading in ("dependencies", "train", "page", "distributed", "onnx"):
        block = re.search(rf"^{heading} = \[\n(.*?)^\]", declared, re.DOTALL | re.MULTILINE)[1]
        names = set(re.findall(r'^    "([\w.-]+)', block, re.MULTILINE)) - {"facial-expression-recognition"}
        assert names and all(f'"{name}"' in listed for name in names), names


def test_broken_library_is_named_with_the_command_that_installs_it(project):
    (project.root / "seaborn.py").write_text("raise ImportError('not today')\n")
    printed = project.run("Import_Libraries.py", status=1, fork=False)
    assert "seaborn" in printed and "not today" in printed and "pip install seaborn" in printed


def test_failed_download_is_an_error_that_names_the_cause(project):
    (project.root / "kagglehub.py").write_text(
        "def dataset_download(name):\n    raise RuntimeError('no route')\n"
    )
    printed = project.run("Load_dataSets.py", "--download", status=1)
    assert "Kaggle" in printed and "RuntimeError: no route" in printed and "Traceback" not in printed
