"""Step 2 refuses invalid data in one line with status 1, and keeps the data set that it loaded before."""

import os

import pytest
from helpers import Project, create_project, write_image_folder

from pipeline.data import csv_reader
from pipeline.data.fer2013 import USAGES

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


def test_a_csv_without_a_split_is_refused(loaded, tmp_path, small_table):
    path = tmp_path / "Dataset.csv"
    rows = small_table["Usage"] != "PrivateTest"
    csv_reader.write_csv({name: column[rows] for name, column in small_table.items()}, path)
    message = run_refused(loaded, "--dataset", path)
    assert "Dataset.csv" in message and "PrivateTest" in message


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
