"""The options of the file classifier, the paths of the annotated copies, and resuming."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import damage_frames, load_astronaut, read_rows
from PIL import Image
from serial_pool import SerialPool

from pipeline.data.csv_reader import write_csv
from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures import plots
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import file_classifier
from pipeline.vision.annotated_copies import AnnotatedCopies
from pipeline.vision.file_classifier import FileClassifier
from pipeline.vision.image_pool import ImagePool
from pipeline.vision.inputs import find_inputs
from pipeline.vision.results_log import NOT_READ, ResultsLog
from pipeline.vision.video_io import VideoReader
from pipeline.vision.video_writer import open_video_writer

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier(model_zoo.DEFAULT_MODEL)


@pytest.fixture
def classify(tmp_path, monkeypatch, classifier) -> Callable[..., Rows]:
    """Classify files in a new folder; return the rows of the CSV."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results"
    monkeypatch.setattr(plots, "RESULTS", results)
    monkeypatch.setattr(file_classifier, "ImagePool", SerialPool)

    def classify(*images: object, **options) -> Rows:
        run = FileClassifier(classifier, results=results, **options)
        with ResultsLog(results / "classification", {}) as log:
            run.classify_files(find_inputs([str(image) for image in images]).files, log)
            log.finish(("csv",))
            run.copies.publish()
            run.explanations.publish()
        return read_rows(results / "classification.csv")

    return classify


def test_faces_are_explained_in_files_that_the_next_run_removes(classify, tmp_path, small_table):
    load_astronaut().save(tmp_path / "me.jpg")
    Image.fromarray(small_table["pixels"][0]).save(tmp_path / "crop.png")
    (explained,) = classify("me.jpg", explain=True, annotate=False)
    folder = tmp_path / "results" / "explained"
    assert [path.name for path in folder.iterdir()] == ["me.jpg"]
    assert not (tmp_path / "results" / "classified").exists()
    (plain,) = classify("me.jpg")
    assert plain == explained and not folder.exists()
    classify("crop.png", faces="crop", explain=True)
    assert [path.name for path in folder.iterdir()] == ["crop.png"]


def test_cropped_faces_are_classified_as_they_are(classify, classifier, tmp_path, small_table):
    faces = small_table["pixels"][:12]
    for index, pixels in enumerate(faces):
        folder = tmp_path / "faces" / f"group {index % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{index:02}.png")
    (tmp_path / "faces" / "notes.txt").write_text("This is text.")
    by_folder = classify("faces", faces="crop", tta=2)
    by_pattern = classify("faces/**/*.png", faces="crop", tta=2)
    assert by_pattern == by_folder and len(by_folder) == 12
    in_order = [*range(0, 12, 3), *range(1, 12, 3), *range(2, 12, 3)]
    expected = classifier.predict_proba(faces[in_order], tta=2)
    probabilities = [[float(row[name]) for name in EMOTIONS] for row in by_folder]
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    assert all(row["left"] == row["note"] == "" and row["face"] == "1" for row in by_folder)
    assert not (tmp_path / "results" / "classified").exists()


@pytest.mark.parametrize("level", [0, 7, 128, 255])
def test_a_face_without_contrast_gets_no_answer(classify, tmp_path, level):
    pixels = np.full((48, 48), level, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "flat.png")
    pixels[24, 24] = 100  # one hot pixel shows no face either
    Image.fromarray(pixels).save(tmp_path / "hot.png")
    for row in classify("flat.png", "hot.png", faces="crop"):
        assert (row["face"], row["emotion"], row["note"]) == ("1", "", "no contrast")


@pytest.mark.parametrize("options", [{"min_score": 0.99}, {"min_size": 200}])
def test_faces_below_the_smallest_score_or_size_are_left_out(classify, tmp_path, options):
    load_astronaut().save(tmp_path / "x.png")
    with open_video_writer(tmp_path / "y.mp4", 7.5, (250, 250)) as writer:
        writer.write(np.asarray(load_astronaut()), 0.0)
    rows = classify("x.png", "y.mp4", annotate=False)
    assert [row["emotion"] for row in rows] == ["Happy", "Happy"]
    assert all(0.9 < float(row["score"]) < 1 for row in rows)
    assert [row["note"] for row in classify("x.png", "y.mp4", **options)] == ["no face found"] * 2


def test_without_annotate_no_copies_are_written(classify, tmp_path):
    load_astronaut().save(tmp_path / "x.png")
    assert [row["emotion"] for row in classify("x.png", annotate=False)] == ["Happy"]
    assert not (tmp_path / "results" / "classified").exists()


@pytest.mark.slow
def test_copies_of_files_from_several_folders_have_different_paths(classify, tmp_path, monkeypatch):
    """Two files of the same name; two that differ only in their extension; one whose path contains "..", too."""
    places = ["a/x.jpg", "b/x.jpg", "b/y.png", "work/in/z.jpg"]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        load_astronaut().save(tmp_path / place)
    frame = np.asarray(load_astronaut())
    for extension in ("avi", "mov"):
        with open_video_writer(tmp_path / "b" / "y.mp4", 7.5, (250, 250)) as writer:
            writer.write(frame)
        (tmp_path / "b" / "y.mp4").rename(tmp_path / "b" / f"y.{extension}")
    before = {place: (tmp_path / place).read_bytes() for place in places}
    monkeypatch.chdir(tmp_path / "work")
    rows = classify("../a/x.jpg", tmp_path / "b", "in/z.jpg", charts=True)
    assert {Path(row["file"]).name for row in rows} == {"x.jpg", "y.avi", "y.mov", "y.png", "z.jpg"}
    copies = tmp_path / "results" / "classified"
    video_copies = ["b/y.avi.mp4", "b/y.avi.png", "b/y.mov.mp4", "b/y.mov.png"]
    names = sorted(path.relative_to(copies).as_posix() for path in copies.rglob("*.*"))
    assert names == sorted([*places, *video_copies])
    classify("../a/x.jpg", "in/z.jpg")
    assert [path.name for path in (tmp_path / "results").iterdir() if path.is_dir()] == ["classified"]
    assert {place: (tmp_path / place).read_bytes() for place in places} == before


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 2, 15, 30])
def test_every_nth_frame_of_a_video_is_classified_and_a_face_keeps_its_number(classify, tmp_path, every):
    with open_video_writer(tmp_path / "x.mp4", 20, (250, 250)) as writer:
        for _ in range(61):
            writer.write(np.asarray(load_astronaut()))
    rows = classify("x.mp4", every=every)
    assert [int(row["frame"]) for row in rows] == [*range(1, 62, every)]
    assert [float(row["seconds"]) for row in rows] == pytest.approx(
        [index / 20 for index in range(0, 61, every)]
    )
    assert {(row["face"], row["emotion"]) for row in rows} == {("1", "Happy")}
    copy = VideoReader(tmp_path / "results" / "classified" / "x.mp4")
    np.testing.assert_allclose([frame.seconds for frame in copy], np.arange(0, 61, every) / 20, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_sideways_video_is_rotated_and_the_table_says_so(classify, tmp_path, turns):
    image = np.full((300, 420, 3), 90, np.uint8)
    image[20:270, 60:310] = np.asarray(load_astronaut())
    image = np.ascontiguousarray(np.rot90(image, -turns))
    with open_video_writer(tmp_path / "x.mp4", 10, (image.shape[1], image.shape[0])) as writer:
        for _ in range(8):
            writer.write(image)
    *rows, last = classify("x.mp4")
    assert {row["emotion"] for row in rows} == {"Happy"} and str(90 * turns) in last["note"]
    assert next(iter(VideoReader(tmp_path / "results" / "classified" / "x.mp4"))).size == (420, 300)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [(3,), (2, 5), (4, 5, 6)], ids=str)
def test_the_table_says_how_many_frames_of_a_video_were_lost(classify, tmp_path, numbers):
    with av.open(str(tmp_path / "x.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 250, 250, "yuvj420p"
        for _ in range(8):
            frame = av.VideoFrame.from_image(load_astronaut())
            container.mux(stream.encode(frame.reformat(format="yuvj420p")))
    *rows, last = classify(damage_frames(tmp_path / "x.avi", *numbers))
    expected = [number for number in range(8) if number + 1 not in numbers]
    assert [round(10 * float(row["seconds"])) for row in rows] == expected
    assert {row["emotion"] for row in rows} == {"Happy"}
    assert not last["emotion"] and str(len(numbers)) in last["note"] and not last["note"].startswith(NOT_READ)


@pytest.mark.skipif(sys.platform == "win32", reason="names are limited to 255 UTF-16 units there")
@pytest.mark.parametrize("stem", ["a" * 240, "a" * 251, "ü" * 122])
def test_files_with_long_names_have_rows_and_copies(classify, tmp_path, stem):
    load_astronaut().save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").rename(tmp_path / f"{stem}.jpg")
    with open_video_writer(tmp_path / "y.mp4", 7.5, (250, 250)) as writer:
        writer.write(np.asarray(load_astronaut()), 0.0)
    (tmp_path / "y.mp4").rename(tmp_path / f"{stem}.mp4")
    rows = classify(f"{stem}.jpg", f"{stem}.mp4", charts=True)
    assert [(row["emotion"], row["note"]) for row in rows] == [("Happy", ""), ("Happy", "")]
    assert len(list((tmp_path / "results" / "classified").iterdir())) == 3


def test_a_copy_that_cannot_be_written_costs_no_row(classify, tmp_path, monkeypatch):
    load_astronaut().save(tmp_path / "x.png")
    with open_video_writer(tmp_path / "y.mp4", 7.5, (250, 250)) as writer:
        for index in range(3):
            writer.write(np.asarray(load_astronaut()), index / 7.5)

    def copy_path(self, path: Path) -> Path:
        return tmp_path / "x.png" / path.name  # in a file instead of a folder

    monkeypatch.setattr(AnnotatedCopies, "copy_path", copy_path)
    rows = classify("x.png", "y.mp4")
    assert [row["emotion"] for row in rows] == ["Happy"] * 4 + [""]
    assert rows[0]["note"].startswith("no annotated copy") and rows[-1]["note"] == rows[0]["note"]


def test_a_file_that_is_cut_off_is_classified_with_a_note(classify, tmp_path):
    for name in ("a.jpg", "b.png", "c.webp"):
        load_astronaut().save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: round(0.98 * len(content))])
    rows = classify("a.jpg", "b.png", "c.webp")
    assert [row["emotion"] for row in rows] == ["Happy"] * 3
    assert all("cut off" in row["note"] for row in rows)
    assert all("cut off" in row["note"] for row in classify("a.jpg", "b.png", faces="crop"))


@pytest.mark.slow
def test_worker_processes_give_the_rows_and_copies_of_one_process_in_order(
    classify, tmp_path, monkeypatch, small_table
):
    load_astronaut().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("This is text.")
    write_csv({name: column[:3] for name, column in small_table.items()}, tmp_path / "c.csv")
    load_astronaut().resize((200, 220)).save(tmp_path / "d.jpg")
    load_astronaut().crop((0, 0, 60, 60)).save(tmp_path / "e.webp")
    images = ("a.png", "b.png", "c.csv", "d.jpg", "missing.png", "e.webp")
    copies = tmp_path / "results" / "classified"
    expected = classify(*images), {path.name: path.read_bytes() for path in copies.iterdir()}
    assert [row["file"] for row in expected[0]] == ["a.png", "b.png", *["c.csv"] * 3, *images[3:]]
    monkeypatch.setattr(file_classifier, "ImagePool", ImagePool)
    assert (
        classify(*images, workers=2),
        {path.name: path.read_bytes() for path in copies.iterdir()},
    ) == expected


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read all files")
def test_files_without_permission_have_a_reason(classify, tmp_path):
    load_astronaut().save(tmp_path / "good.png")
    for name in ("f/a.jpg", "f/b.MP4", "f/g/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0)
    (tmp_path / "f" / "g").chmod(0)
    try:
        rows = classify("good.png", "f/a.jpg", "f/b.MP4", "f/g/d.png", "f/g")
    finally:
        (tmp_path / "f" / "g").chmod(0o700)
    assert [row["emotion"] for row in rows] == ["Happy", "", "", "", ""]
    assert all("Permission denied" in row["note"] for row in rows[1:4])
    assert rows[4]["file"] == "f/g" and rows[4]["note"].startswith("not read: ")


def test_charts_without_matplotlib_are_an_error_before_any_work(classifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError):
        FileClassifier(classifier, charts=True)
    FileClassifier(classifier)


def test_a_run_is_described_by_all_that_its_results_depend_on(tmp_path, monkeypatch, classifier):
    """An interrupted run in another folder, where a relative path names another file, is not resumed."""
    options = {"faces": "detect", "tta": 2, "smoothing": 0.4, "annotate": True, "charts": False}
    changes = {
        "faces": "crop", "tta": 1, "smoothing": 0.0, "annotate": False, "charts": True,
        "min_score": 0.9, "min_size": 60,
    }  # fmt: skip
    metadata = FileClassifier(classifier, **options).describe_run(["x.png"], "abc")
    descriptions = [metadata]
    for name, value in changes.items():
        changed = FileClassifier(classifier, **(options | {name: value}))
        descriptions.append(changed.describe_run(["x.png"], "abc"))
    descriptions.append(FileClassifier(classifier, **options).describe_run(["y.png"], "abc"))
    descriptions.append(FileClassifier(classifier, **options).describe_run(["x.png"], "def"))
    monkeypatch.chdir(tmp_path)
    descriptions.append(FileClassifier(classifier, **options).describe_run(["x.png"], "abc"))
    assert len({str(description) for description in descriptions}) == len(descriptions)


def test_a_resumed_run_skips_the_completed_files(tmp_path, monkeypatch, capsys, classifier):
    load_astronaut().save(tmp_path / "a.png")
    load_astronaut().save(tmp_path / "b.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(file_classifier, "ImagePool", SerialPool)
    run = FileClassifier(classifier, annotate=False, results=tmp_path / "results")
    with ResultsLog(tmp_path / "results" / "classification", {}) as log:
        run.classify_files([Path("a.png")], log)
    assert "resuming" not in capsys.readouterr().out
    (tmp_path / "a.png").write_text("not to be read again")
    with ResultsLog(tmp_path / "results" / "classification", {}, resume=True) as log:
        run.classify_files([Path("a.png"), Path("b.png")], log)
        assert [(row["file"], row["emotion"]) for row in log.rows()] == [
            ("a.png", "Happy"),
            ("b.png", "Happy"),
        ]
    assert "resuming after 1 file " in capsys.readouterr().out
