"""Step 12 as a script: new images, invalid settings, resuming after a kill, and the report on the test split."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import skimage
from helpers import Project, create_project, load_astronaut, read_rows
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.pixels import to_uint8
from pipeline.models import model_zoo

pytestmark = pytest.mark.slow

TIMEOUT_S = 300


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A project in which no step has run; each test has new results."""
    return create_project(tmp_path_factory.mktemp("untrained") / "project")


def file_contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --------------------------------------------------------------------------------------------------
# Without a trained network
# --------------------------------------------------------------------------------------------------
def test_new_images_need_no_data(untrained):
    folder = untrained.root.parent
    load_astronaut().save(folder / "=1+1.png")
    Image.fromarray(skimage.data.coffee()).save(folder / "nobody.jpg")
    (folder / "text.jpg").write_text("This is text.")
    names = ("=1+1.png", "nobody.jpg", "text.jpg")
    output = untrained.run("Classification.py", "--images", *names, "--formats", "csv", "jsonl", "--charts")
    assert f"{model_zoo.DEFAULT_MODEL.name}, trained on" in output
    assert "1 face (Happy 1); 1 file without a face; 1 not read" in output
    assert "Traceback" not in output and "Warning" not in output

    smiling, empty, unreadable = read_rows(untrained.results / "classification.csv")
    assert (smiling["file"], smiling["emotion"]) == ("'=1+1.png", "Happy")  # escaped for spreadsheets
    assert empty["note"] == "no face found" and f"  {unreadable['note']}\n" in output
    lines = (untrained.results / "classification.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["file"] == "=1+1.png" and len(lines) == 3
    copies = [path.name for path in (untrained.results / "classified").iterdir()]
    assert copies == ["=1+1.png"] and (untrained.results / "new_pictures.png").is_file()


def list_logs(project: Project) -> list[Path]:
    """Return the logs of unfinished runs."""
    return list(project.results.glob("classification-*.unfinished.jsonl"))


def test_the_annotated_copy_of_an_image_is_named_and_no_chart_is_drawn_unasked(untrained):
    folder = untrained.root.parent
    load_astronaut().save(folder / "alone.png")
    output = untrained.run("Classification.py", "--images", "alone.png")
    assert "results/classified/alone.png" in output and "100%" in output
    assert not list(untrained.results.glob("*.png"))  # those of the previous run are gone
    assert max(map(len, output.splitlines())) <= 100


def test_a_run_without_a_readable_file_fails_and_keeps_the_previous_results(untrained):
    untrained.results.mkdir(exist_ok=True)
    (untrained.results / "classification.csv").write_text("previous")
    text = untrained.root.parent / "text.png"
    text.write_text("This is text.")
    missing = untrained.root.parent / "missing.mp4"
    before = file_contents(untrained.results)
    output = untrained.run("Classification.py", "--images", text, missing, status=1)
    assert str(text) in output and str(missing) in output and "2 files" in output
    assert "Traceback" not in output and file_contents(untrained.results) == before


def test_cropped_faces_have_the_predictions_on_the_model_card(untrained):
    faces = to_uint8(model_zoo.load_reference_faces()[..., 0])
    folder = untrained.root.parent / "faces"
    folder.mkdir()
    for index, pixels in enumerate(faces):
        Image.fromarray(pixels).save(folder / f"{index:02}.png")
    untrained.run("Classification.py", "--images", folder, "--faces", "crop", "--tta", 1)
    rows = read_rows(untrained.results / "classification.csv")
    probabilities = [[float(row[name]) for name in EMOTIONS] for row in rows]
    card = model_zoo.read_model_card(model_zoo.DEFAULT_MODEL)
    np.testing.assert_allclose(probabilities, card["reference_predictions"], atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("--smoothing", -1), "smoothing"),
        (("--images", "empty folder"), "empty folder"),
        (("--images", "x.png", "--model", "data"), "trained_model"),
        ((), "predictions"),
    ],
)
def test_invalid_settings_are_errors_that_name_them(untrained, arguments, name):
    (untrained.root.parent / "empty folder").mkdir(exist_ok=True)
    output = untrained.run("Classification.py", *arguments, status=1)
    assert name in output.splitlines()[-1] and "Traceback" not in output


# --------------------------------------------------------------------------------------------------
# Resuming
# --------------------------------------------------------------------------------------------------
def test_a_killed_run_resumes_and_ends_as_an_unbroken_one(project, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(12):
        image = Image.fromarray(skimage.data.coffee()) if index % 5 == 0 else load_astronaut()
        image.resize((200 + index, 200)).save(folder / f"{index:02}.jpg")
    model = project.root / "models" / model_zoo.DEFAULT_MODEL.name
    arguments = ("Classification.py", "--images", "many", "--model", model)
    project.run(*arguments)
    table = project.results / "classification.csv"
    unbroken = table.read_bytes()
    assert not list_logs(project) and unbroken.count(b"\n") == 1 + 12

    lower_priority = {"preexec_fn": lambda: os.nice(19)} if hasattr(os, "nice") else {}
    process = project.start(*arguments, **lower_priority)  # so that it does not end before it is killed
    deadline = time.monotonic() + TIMEOUT_S
    while sum(log.read_bytes().count(b'{"completed"') for log in list_logs(project)) < 4:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    (log,) = list_logs(project)
    n_completed = log.read_bytes().count(b'{"completed"')
    assert 4 <= n_completed < 12 and table.read_bytes() == unbroken
    for index in range(n_completed - 1):
        (folder / f"{index:02}.jpg").write_text("not to be read again")

    output = project.run(*arguments)
    assert f"resuming after {n_completed} files" in output
    assert table.read_bytes() == unbroken and not log.exists()


# --------------------------------------------------------------------------------------------------
# With data
# --------------------------------------------------------------------------------------------------
def test_the_test_split_is_reported_and_explained(project, prepared):
    labels = np.repeat(np.arange(7), 3)
    predicted = np.where(np.arange(21) % 3 == 0, (labels + 1) % 7, labels)
    probabilities = np.full((21, 7), 0.05, np.float32)
    probabilities[np.arange(21), predicted] = 0.7
    project.store().write(
        predictions={"test": {"labels": labels, "probabilities": probabilities}},
        source={"is_sample": True, "label": "a small test set"},
        test_x=np.random.default_rng(0).random((21, 48, 48, 1), np.float32),
        trained_model=prepared.store().read("model"),
    )
    output = project.run("Classification.py", "--examples", 3, "--explain")
    report = json.loads((project.results / "classification_report.json").read_text(encoding="utf-8"))
    assert report["data"] == "a small test set" and report["split"] == "test"
    assert report["accuracy"] == pytest.approx(14 / 21)
    for emotion in EMOTIONS:
        assert report[emotion]["recall"] == pytest.approx(2 / 3) and emotion in output
    for name in ("examples.png", "saliency.png", "saliency_by_emotion.png"):
        assert (project.results / name).is_file()
    saliency = json.loads((project.results / "saliency.json").read_text(encoding="utf-8"))
    assert saliency["faces"] == dict.fromkeys(EMOTIONS, 2) and saliency["network"] == "LeNet-5"
    assert not (project.results / "classification.csv").exists()


def test_new_images_are_not_recorded_as_a_run_of_the_step(finished, tmp_path):
    """--resume would otherwise take the report of the test split for up to date, and repeat the images."""
    project = finished.copy(tmp_path / "copy")
    load_astronaut().save(tmp_path / "me.png")
    output = project.run("Classification.py", "--images", "me.png", "--explain")
    assert "precision" not in output and "Happy" in output
    assert (project.results / "explained" / "me.png").is_file()
    assert not (project.results / "saliency.json").exists()
    (project.results / "examples.png").unlink()
    assert "precision" in project.run("run.py", "--no-venv", "--resume", "--only", 12)
