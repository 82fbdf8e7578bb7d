"""Suspect labels are listed by a network of step 7, and step 6 leaves out what the list has."""

import numpy as np
import pytest
from helpers import read_rows

from pipeline.data.fer2013 import EMOTIONS

pytestmark = pytest.mark.slow


def test_suspects_are_listed_and_left_out_of_training(prepared, tmp_path):
    project = prepared.copy(tmp_path / "suspects")
    printed = project.run("Find_Suspect_Labels.py", "--folds", 2, "--epochs", 2, "--share", 0.1)
    path = project.results / "suspects.csv"
    rows, table = read_rows(path), project.store().read("dataset")
    n_training = np.count_nonzero(table["Usage"] == "Training")
    assert 0 < len(rows) <= round(0.1 * n_training) and f"the first {len(rows)}" in printed
    for row in rows:
        number = int(row["origin"]) - 1  # the sample is a CSV
        assert table["Usage"][number] == "Training"
        assert EMOTIONS[table["emotion"][number]] == row["label"] != row["suggested"]
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores) and (project.results / "suspects.png").exists()

    project.run("Pre-processing_Data.py", "--exclude", path)
    assert len(project.store().read("train_x")) == n_training - len(rows)
    path.write_text(path.read_text(encoding="utf-8").replace(rows[0]["digest"], "0" * 16), encoding="utf-8")
    assert "line 2" in project.run("Pre-processing_Data.py", "--exclude", path, status=1)
    with pytest.raises(ValueError, match=r"suspects\.csv has changed"):
        project.store().read("train_x")
    assert "--votes download" in project.run("Find_Suspect_Labels.py", "--by", "votes", status=1)
