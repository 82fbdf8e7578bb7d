"""Step 2 loads what it finds or is given; invalid data it refuses in one line, and keeps the data set before it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import Project, create_project, write_image_folder

from pipeline.data import csv_reader
from pipeline.data.fer2013 import USAGES, Table
from pipeline.data.votes import HEADER

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Project:
    project = create_project(tmp_path_factory.mktemp("loaded") / "project")
    project.run("Load_dataSets.py", "--sample-size", 300)
    return project


def run_refused(project: Project, *arguments: object) -> str:
    """Run step 2 on invalid data, check that the data set before it is kept, and return the message."""
    before = project.store().read("dataset")["pixels"].sum()
    output = project.run("Load_dataSets.py", *arguments, status=1)
    assert "Traceback" not in output
    assert project.store().read("dataset")["pixels"].sum() == before
    return output.strip().splitlines()[-1]


def test_an_invalid_csv_is_refused(loaded, tmp_path, small_table):
    path = tmp_path / "Dataset.csv"
    csv_reader.write_csv(small_table, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], lines[5][:-4], *lines[6:]]))
    message = run_refused(loaded, "--dataset", path)
    assert "Dataset.csv" in message and "row 5, Usage" in message


@pytest.mark.parametrize("usages", [USAGES[:2], USAGES[1:], USAGES[:1]])
def test_a_csv_without_faces_of_an_emotion_in_a_split_is_refused(loaded, tmp_path, small_table, usages):
    path = tmp_path / "Dataset.csv"
    rows = np.isin(small_table["Usage"], usages) & (small_table["emotion"] != 1)
    csv_reader.write_csv({name: column[rows] for name, column in small_table.items()}, path)
    message = run_refused(loaded, "--dataset", path)
    assert "Dataset.csv" in message and ("Disgust" in message or "Training" in message)


@pytest.mark.parametrize("percentages", [(80, 10, 5), (120, -10, -10), (100, 0, 0)])
def test_invalid_percentages_are_refused(loaded, tmp_path, small_table, percentages):
    csv_reader.write_csv(small_table, tmp_path / "Dataset.csv")
    assert "100" in run_refused(loaded, "--dataset", tmp_path / "Dataset.csv", "--split", *percentages)


@pytest.mark.parametrize("archive", [True, False])
def test_votes_of_images_are_refused(loaded, tmp_path, small_table, archive):
    """Also if the images have as many faces in each split: their order is another one."""
    folder = tmp_path / "images"
    write_image_folder(folder, small_table, dict(zip(USAGES, ("train", "val", "test"), strict=True)))
    path = shutil.make_archive(str(folder), "zip", folder) if archive else folder
    (tmp_path / "votes.csv").write_text("votes")
    message = run_refused(loaded, "--dataset", path, "--votes", tmp_path / "votes.csv")
    assert "but the data set is images" in message


def test_votes_of_a_csv_without_usage_are_refused(loaded, tmp_path, small_table):
    write_without_usage(small_table, tmp_path / "train.csv")
    (tmp_path / "votes.csv").write_text("votes")
    message = run_refused(loaded, "--dataset", tmp_path / "train.csv", "--votes", tmp_path / "votes.csv")
    assert "CSV without Usage" in message


def test_a_missing_file_is_refused(loaded, tmp_path):
    assert "missing.csv" in run_refused(loaded, "--dataset", tmp_path / "missing.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(loaded, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "pipe.csv" in run_refused(loaded, "--dataset", tmp_path / "pipe.csv")


def test_a_folder_with_a_damaged_image_is_refused(loaded, tmp_path, small_table):
    write_image_folder(tmp_path, small_table, dict(zip(USAGES, ("train", "val", "test"), strict=True)))
    damaged = next((tmp_path / "train" / "Fear").glob("*.png"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    assert damaged.name in run_refused(loaded, "--dataset", tmp_path)


def write_without_usage(table: Table, path: Path) -> None:
    """Write the CSV that Kaggle's competition calls train.csv."""
    csv_reader.write_csv(table, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rpartition(",")[0] for line in lines))


def test_faces_without_a_split_are_divided_and_the_data_set_is_named_as_what_it_is(
    project, tmp_path, small_table
):
    write_without_usage(small_table, tmp_path / "train.csv")
    printed = project.run(
        "Load_dataSets.py", "--dataset", tmp_path / "train.csv", "--split", 60, 20, 20, "--seed", 5
    )
    usage = project.store().read("dataset")["Usage"]
    counts = [np.count_nonzero(usage == name) for name in USAGES]
    assert counts == pytest.approx([180, 60, 60], abs=3)
    source = project.store().read("source")
    assert source["label"] == "train.csv (300 faces)" and not source["is_sample"]
    assert "seed 5" in source["note"] and source["note"] in printed


@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv", "train.csv"])
def test_a_csv_beside_run_py_is_read_instead_of_the_sample(project, small_table, name):
    (project.root / name).parent.mkdir(exist_ok=True)
    csv_reader.write_csv(small_table, project.root / name)
    printed = project.run("Load_dataSets.py")
    assert f"Data: {Path(name).name} (300 faces)" in printed
    assert np.array_equal(project.store().read("dataset")["pixels"], small_table["pixels"])


def test_folders_beside_run_py_are_read_and_a_change_in_them_makes_the_data_set_stale(project, small_table):
    write_image_folder(project.root, small_table, dict(zip(USAGES, ("train", "val", "test"), strict=True)))
    project.run("Load_dataSets.py")
    assert project.store().read("source")["label"] == "test/ and train/ and val/ (300 faces)"
    assert len(project.store().read("dataset")["pixels"]) == 300
    next((project.root / "test" / "Happy").glob("*.png")).unlink()
    with pytest.raises(ValueError, match="test has changed"):
        project.store().read("dataset")


def test_votes_stay_with_their_faces_when_a_split_is_held_out(project, tmp_path, small_table):
    rows = np.random.default_rng(0).permutation(np.flatnonzero(small_table["Usage"] != "PrivateTest"))
    table = {name: column[rows] for name, column in small_table.items()}
    csv_reader.write_csv(table, tmp_path / "faces.csv")
    votes = np.eye(10, dtype=int)[table["emotion"]]
    lines = [
        f"{usage},image,{','.join(map(str, row))}" for usage, row in zip(table["Usage"], votes, strict=True)
    ]
    (tmp_path / "votes.csv").write_text("\n".join([",".join(HEADER), *lines]))
    project.run("Load_dataSets.py", "--dataset", tmp_path / "faces.csv", "--votes", tmp_path / "votes.csv")
    stored = project.store()
    dataset = stored.read("dataset")
    assert np.count_nonzero(dataset["Usage"] == "PrivateTest") == pytest.approx(24, abs=3)
    assert np.array_equal(stored.read("votes").argmax(axis=1), dataset["emotion"])
    assert set(dataset) == {"emotion", "pixels", "Usage", "origin"}


def test_what_is_passed_over_is_named(project, small_table):
    csv_reader.write_csv(small_table, project.root / "Dataset.csv")
    csv_reader.write_csv(small_table, project.root / "fer2013.csv")
    printed = project.run("Load_dataSets.py")
    assert "Data: Dataset.csv" in printed and "passed over: fer2013.csv" in printed


def test_chosen_emotions_are_stored_and_the_others_counted(project):
    printed = project.run(
        "Load_dataSets.py", "--sample-size", 300, "--emotions", "sadness", "HAPPY", "neutral"
    )
    store = project.store()
    emotions, table, source = (store.read(name) for name in ("emotions", "dataset", "source"))
    assert emotions == ("Sad", "Happy", "Neutral") and set(table["emotion"]) == {0, 1, 2}
    n_faces = len(table["emotion"])
    assert f"{300 - n_faces} faces of other emotions" in source["note"] and source["note"] in printed
    assert f"{n_faces} synthetic faces, 3 emotions" in source["label"]


@pytest.mark.parametrize(
    ("emotions", "fact"),
    [
        (["happy"], "2 to 16"),
        (["happy", "sad", "joy"], "happy, joy"),
        (["happy", "contempt"], "Contempt"),
        (["happy", "sad", "x;y"], "letters"),
    ],
)
def test_emotions_that_cannot_be_read_are_refused(loaded, emotions, fact):
    assert fact in run_refused(loaded, "--emotions", *emotions)
