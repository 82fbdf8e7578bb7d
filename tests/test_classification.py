"""Step 12 on whatever people have: photographs of every kind, folders, videos, and much that cannot be read.

The photographs and the small faces (from Labeled Faces in the Wild) come with scikit-image.
"""

import csv
import json
import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from helpers import Project, create_project
from PIL import Image
from test_pictures import write_bad_pictures

import Classification
from pipeline.data.csv_reader import write_csv
from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.image_io import read_image
from pipeline.figures import plots
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import annotate
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.inputs import find_inputs
from pipeline.vision.recognition import recognize_faces
from pipeline.vision.video_io import VideoReader, open_video_writer
from pipeline.workflow.artifacts import ArtifactStore

Rows = list[dict[str, str]]

RATE = 23.976
FRAMES = 20
HAPPY_FACE, SAD_FACE = (
    (60, 200),
    (300, 40),
)  # left and top in the first frame; they move towards each other by
STEP = 9  # pixels a frame


def rows_of(results: Path) -> Rows:
    with open(results / "classification.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def probabilities_of(rows: Rows) -> np.ndarray:
    return np.array([[float(row[name]) for name in EMOTIONS] for row in rows])


# --------------------------------------------------------------------------------------------------
# One run over all there is
# --------------------------------------------------------------------------------------------------
def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()).crop((100, 0, 350, 250))


def sad_face() -> np.ndarray:
    """(100, 100, 3) uint8 RGB."""
    faces = np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy")
    gray = cv2.resize(np.rint(faces[3] * 255).astype(np.uint8), (100, 100), interpolation=cv2.INTER_CUBIC)
    return np.repeat(gray[..., np.newaxis], 3, axis=2)


def film_frame(number: int) -> np.ndarray:
    """A happy face that goes right and a sad one that goes left, above a cup of coffee."""
    frame = skimage.data.coffee()[:, :480].copy()
    happy = skimage.data.astronaut()[40:200, 140:300]
    left, top = HAPPY_FACE[0] + STEP * number, HAPPY_FACE[1]
    frame[top : top + 160, left : left + 160] = happy
    left, top = SAD_FACE[0] - STEP * number, SAD_FACE[1]
    frame[top : top + 100, left : left + 100] = sad_face()
    return frame


def write_good_pictures(folder: Path) -> list[str]:
    """The same face as files of every kind and under every name; returns the names."""
    photo = astronaut()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif)
    photo.quantize(200).save(folder / "palette.png")
    photo.convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257).save(folder / "deep.png")
    photo.quantize(200).save(folder / "moving.gif", save_all=True, append_images=[Image.new("P", photo.size)])
    for name in (
        "same.jpg",
        "sub/same.jpg",
        'it\'s "here", Ünïcode 顔 $x$.png',
        "line\nbreak.png",
        "\udcff.png",
    ):
        if sys.platform == "linux" or not {"\n", '"', "\udcff"} & set(name):
            (folder / name).parent.mkdir(exist_ok=True)
            photo.save(folder / name)
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]


def write_videos(folder: Path) -> dict[str, str]:
    """A film, and what is none: each with a word that the sentence must hold."""
    with open_video_writer(folder / "film.mp4", RATE, (480, 400)) as film:
        for number in range(FRAMES):
            film.write(film_frame(number))
    content = (folder / "film.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    (folder / "text.mp4").write_text("I am no video.")
    (folder / "empty.mp4").write_bytes(b"")
    return {"cut.mp4": "cut short", "text.mp4": "unknown kind", "empty.mp4": "it is empty"}


def write_links(folder: Path) -> dict[str, str]:
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    (folder / "loop.png").symlink_to(folder / "pool.png")
    (folder / "pool.png").symlink_to(folder / "loop.png")
    (folder / "in itself").symlink_to(folder, target_is_directory=True)
    return {"dangling.png": "No such file", "loop.png": "oo many", "pool.png": "oo many"}


@dataclass
class Done:
    """What one run over all of it has left behind."""

    project: Project
    folder: Path
    good: list[str]
    bad: dict[str, str]
    printed: str

    def __post_init__(self):
        self.rows = rows_of(self.project.results)
        self.by_file: dict[str, Rows] = defaultdict(list)
        for row in self.rows:
            self.by_file[row["file"].removeprefix(f"{self.folder}{os.sep}")].append(row)

    def of(self, name: str) -> Rows:
        escaped = name.replace("\n", "\\n").replace("\udcff", "\\xff")
        return self.by_file[escaped.replace("/", os.sep)]


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Done:
    """All tests look at it; none may change it."""
    home = tmp_path_factory.mktemp("home")
    project, folder = create_project(home / "project"), home / "my pictures"
    folder.mkdir()
    good = write_good_pictures(folder)
    Image.fromarray(skimage.data.coffee()).resize((300, 200)).save(folder / "nobody.jpg")
    bad = write_bad_pictures(folder)
    for path in folder.glob("whole.*"):
        path.unlink()
    bad |= write_videos(folder)
    if sys.platform != "win32":
        bad |= write_links(folder)
    drawn = (model_zoo.load_reference_faces()[..., 0] * 255).round().astype(np.uint8)
    write_csv(
        {"emotion": np.arange(3), "pixels": drawn[:3], "Usage": np.full(3, "Training")}, folder / "rows.csv"
    )
    (folder / "bad.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    bad["bad.csv"] = "row 1"
    astronaut().save(home / "=1+1.png")
    del bad["folder.jpg"]  # which is looked into

    named = ["=1+1.png", folder, folder / "missing.jpg", *folder.glob("\udcff.png")]  # that one twice
    printed = project.run("Classification.py", "--images", *named, "--formats", "csv", "jsonl")
    return Done(project, folder, good, bad, printed)


def test_nothing_that_is_bad_stops_the_rest_and_each_has_a_reason_and_a_row(done):
    for name, why in done.bad.items():
        (row,) = done.of(name)
        assert row["note"].startswith("not read: ") and name in row["note"] and why in row["note"], row
        assert row["emotion"] == row["face"] == "" and f"  {row['note']}\n" in done.printed
    assert f"{len(done.bad)} files not read" in done.printed
    assert "Traceback" not in done.printed and "Warning" not in done.printed


def test_all_that_is_named_has_rows_and_nothing_has_them_twice(done):
    others = ["=1+1.png", "nobody.jpg", "film.mp4", "rows.csv"]
    named = {
        name.replace("\n", "\\n").replace("\udcff", "\\xff") for name in [*done.good, *done.bad, *others]
    }
    named = {name.replace("=1", "'=1").replace("/", os.sep) for name in named}
    assert set(done.by_file) == named  # nothing of "in itself", a link to the folder that it is in


def test_the_face_is_found_in_pictures_of_every_kind_and_name(done):
    assert len(done.good) >= 7
    for name in done.good:
        (row,) = done.of(name)
        assert (row["face"], row["emotion"], row["note"]) == ("1", "Happy", ""), name
        box = [float(row[side]) for side in ("left", "top", "width", "height")]
        np.testing.assert_allclose(box, (78, 63, 90, 113), atol=8)


def test_seven_probabilities_sum_to_one_and_the_emotion_is_the_likeliest(done):
    rows = [row for row in done.rows if row["emotion"]]
    probabilities = probabilities_of(rows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=4e-4)
    assert [EMOTIONS[place] for place in probabilities.argmax(axis=1)] == [row["emotion"] for row in rows]
    assert [float(row["confidence"]) for row in rows] == probabilities.max(axis=1).tolist()


def test_a_picture_without_a_face_says_so(done):
    (row,) = done.of("nobody.jpg")
    assert row["note"] == "no face found" and row["emotion"] == ""
    assert "; 1 files without a face" in done.printed


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless(done):
    (row,) = done.of("'=1+1.png")
    assert row["emotion"] == "Happy"
    lines = (done.project.results / "classification.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["file"] == "=1+1.png" and len(lines) == len(done.rows)


def test_rows_of_a_csv_are_faces_already(done):
    rows = done.of("rows.csv")
    assert [row["face"] for row in rows] == ["1", "2", "3"]
    drawn = (model_zoo.load_reference_faces()[:3] * 255).round().astype(np.uint8)
    wanted = EmotionClassifier(model_zoo.MOST_ACCURATE_MODEL).predict_proba(drawn, tta=2)
    np.testing.assert_allclose(probabilities_of(rows), wanted, atol=1e-4)


def test_copies_are_written_of_all_with_the_face_marked(done):
    """Of all, though two have the same name; only where there is a face."""
    copies = done.project.results / "classified"
    for name in done.good:
        copy = read_image(copies / done.folder.name / name)
        assert copy.shape == (250, 250, 3), name
        happy = np.abs(copy.astype(int) - annotate.EMOTION_RGB["Happy"]).max(axis=2) < 40
        (row,) = done.of(name)
        left, top = round(float(row["left"])), round(float(row["top"]))
        assert happy[max(0, top - 25) : top + 110, max(0, left - 10) : left + 10].sum() > 150, name
    files = {path.relative_to(copies).as_posix() for path in copies.rglob("*.*")}
    films = {f"{done.folder.name}/film.mp4", f"{done.folder.name}/film.mp4.png"}
    assert files == {f"{done.folder.name}/{name}" for name in done.good} | films | {"=1+1.png"}


def test_without_data_the_best_shipped_network_recognizes(done):
    assert "no report on the test split: data/ has no predictions yet." in done.printed
    card = model_zoo.read_model_card(model_zoo.MOST_ACCURATE_MODEL)
    assert f"recognized by {model_zoo.MOST_ACCURATE_MODEL.name}, trained on {card['data']}" in done.printed


def test_the_picture_of_the_first_faces_is_made(done):
    assert read_image(done.project.results / "new_pictures.png").shape[1] > 1000


def test_only_bad_pictures_end_in_a_sentence_and_leave_what_was_there(done):
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in done.project.results.rglob("*.*")}

    before = contents()
    bad = [done.folder / name for name in ("text.jpg", "cut.mp4", "missing.jpg")]
    printed = done.project.run("Classification.py", "--images", *bad, status=1)
    assert "None of the 3 files could be read." in printed and "Traceback" not in printed
    for path in bad:
        assert str(path) in printed
    assert contents() == before


# --------------------------------------------------------------------------------------------------
# Videos
# --------------------------------------------------------------------------------------------------
def test_every_frame_of_a_video_is_accounted_for_at_its_time(done):
    rows = done.of("film.mp4")
    assert [int(row["frame"]) for row in rows] == sorted([*range(1, FRAMES + 1)] * 2)
    for row in rows:
        assert float(row["seconds"]) == pytest.approx((int(row["frame"]) - 1) / RATE, abs=1e-3)


def test_faces_that_move_keep_their_numbers_and_labels(done):
    told = {"1": "Happy", "2": "Sad"}
    places = {
        "1": (HAPPY_FACE[0] + 83, STEP),
        "2": (SAD_FACE[0] + 50, -STEP),
    }  # across, of the middle; per frame
    for row in done.of("film.mp4"):
        assert row["emotion"] == told[row["face"]], row
        start, step = places[row["face"]]
        middle = float(row["left"]) + float(row["width"]) / 2
        assert abs(middle - (start + step * (int(row["frame"]) - 1))) < 12, row
    assert "film.mp4" in done.printed and "(20 of 20 frames)" in done.printed


def test_a_videos_probabilities_are_those_of_its_frames_smoothed(done):
    detector, classifier = FaceDetector(live=True), EmotionClassifier(model_zoo.MOST_ACCURATE_MODEL)
    share = 1 - np.exp(-1 / RATE / Classification.Settings.smoothing)
    smoothed = {}
    rows = iter(done.of("film.mp4"))
    for frame in VideoReader(done.folder / "film.mp4"):
        for face in recognize_faces(frame.image, detector, classifier, tta=2):
            row = next(rows)
            now, before = face.probabilities, smoothed.get(row["face"], face.probabilities)
            smoothed[row["face"]] = share * now + (1 - share) * before
            np.testing.assert_allclose(probabilities_of([row])[0], smoothed[row["face"]], atol=2e-3)


def test_the_marked_copy_of_a_video_has_its_frames_size_and_rate(done):
    film, copy = (
        VideoReader(path / "film.mp4")
        for path in (done.folder, done.project.results / "classified" / done.folder.name)
    )
    assert copy.rate == pytest.approx(film.rate)
    frames = [(plain, marked) for plain, marked in zip(film, copy, strict=True)]
    assert len(frames) == FRAMES
    for plain, marked in frames:
        assert plain.size == marked.size and plain.seconds == pytest.approx(marked.seconds)
        for emotion in ("Happy", "Sad"):  # MPEG blurs colors
            near = np.abs(marked.picture.astype(int) - annotate.EMOTION_RGB[emotion]).max(axis=2) < 60
            assert near.sum() > 300


# --------------------------------------------------------------------------------------------------
# Killed in between
# --------------------------------------------------------------------------------------------------
def test_a_killed_run_goes_on_where_it_stopped_and_ends_as_an_unbroken_one(tmp_path):
    project = create_project(tmp_path / "project")
    (tmp_path / "many").mkdir()
    for number in range(20):
        picture = Image.fromarray(skimage.data.coffee()) if number % 5 == 0 else astronaut()
        picture.resize((200 + number, 200)).save(tmp_path / "many" / f"{number:02}.jpg")
    arguments = [
        "Classification.py",
        "--images",
        "many",
        "--model",
        project.root / "models" / "Compact.tflite",
    ]
    project.run(*arguments)
    table, log = (
        project.results / "classification.csv",
        project.results / "classification.unfinished.jsonl",
    )
    unbroken = table.read_bytes()
    assert not log.exists() and unbroken.count(b"\n") == 1 + 20

    process = project.start(*arguments)
    deadline = time.monotonic() + 60
    while not log.exists() or log.read_bytes().count(b'"done"') < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    finished = log.read_bytes().count(b'{"done"')
    assert 5 <= finished < 20 and table.read_bytes() == unbroken  # the one of before
    for number in range(finished - 1):
        (tmp_path / "many" / f"{number:02}.jpg").write_text("not to be looked at again")

    printed = project.run(*arguments)
    assert f"going on after {finished} files" in printed
    assert table.read_bytes() == unbroken and not log.exists()


# --------------------------------------------------------------------------------------------------
# Without a process of its own
# --------------------------------------------------------------------------------------------------
@pytest.fixture
def here(tmp_path, monkeypatch):
    """Classify in this process, in a folder of its own; returns the rows."""
    results = tmp_path / "results"
    monkeypatch.chdir(tmp_path)
    for module in (Classification, plots):
        monkeypatch.setattr(module, "RESULTS", results)

    def run(*images: object, **settings) -> Rows:
        settings = {"model": str(model_zoo.FASTEST_MODEL)} | settings
        named = [str(image) for image in images]
        Classification.classify(
            named, Classification.Settings(images=tuple(named), **settings), ArtifactStore(tmp_path / "data")
        )
        return rows_of(results)

    return run


def test_closely_cut_faces_are_recognized_as_they_are(here, tmp_path, small_table):
    faces = small_table["pixels"][:12]
    for number, pixels in enumerate(faces):
        folder = tmp_path / "faces" / f"group {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    (tmp_path / "faces" / "notes.txt").write_text("no picture")
    in_order = [*range(0, 12, 3), *range(1, 12, 3), *range(2, 12, 3)]
    wanted = EmotionClassifier(model_zoo.FASTEST_MODEL).predict_proba(faces[in_order], tta=18)
    by_folder = here("faces", faces="crop", tta=18)
    by_pattern = here("faces/**/*.png", faces="crop", tta=18)
    assert by_pattern == by_folder and len(by_folder) == 12
    np.testing.assert_allclose(probabilities_of(by_folder), wanted, atol=1e-4)
    assert all(row["left"] == row["note"] == "" and row["face"] == "1" for row in by_folder)
    assert not (tmp_path / "results" / "classified").exists()


def test_its_answers_are_those_of_its_card(here, tmp_path):
    drawn = (model_zoo.load_reference_faces()[..., 0] * 255).round().astype(np.uint8)
    for number, pixels in enumerate(drawn):
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    rows = here("*.png", faces="crop", tta=1, model="")
    np.testing.assert_allclose(
        probabilities_of(rows),
        model_zoo.read_model_card(model_zoo.MOST_ACCURATE_MODEL)["drawn_faces"],
        atol=1e-3,
    )


def test_copies_of_pictures_from_anywhere_stay_apart_and_in_their_folder(here, tmp_path):
    """Two files of one name; two that differ in their ending alone; one named by a way that leads up."""
    places = ["a/x.jpg", "b/x.jpg", "b/y.png", "work/in/z.jpg"]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        astronaut().save(tmp_path / place)
    for ending in ("avi", "mov"):
        with open_video_writer(tmp_path / "b" / "y.mp4", 7.5, (480, 400)) as film:
            film.write(film_frame(0))
        (tmp_path / "b" / "y.mp4").rename(tmp_path / "b" / f"y.{ending}")
    before = {place: (tmp_path / place).read_bytes() for place in places}
    os.chdir(tmp_path / "work")
    rows = here("../a/x.jpg", tmp_path / "b", "in/z.jpg")
    assert {Path(row["file"]).name for row in rows} == {"x.jpg", "y.avi", "y.mov", "y.png", "z.jpg"}
    copies = tmp_path / "results" / "classified"
    videos = ["b/y.avi.mp4", "b/y.avi.png", "b/y.mov.mp4", "b/y.mov.png"]
    files = sorted(path.relative_to(copies).as_posix() for path in copies.rglob("*.*"))
    assert files == sorted([*places, *videos])
    here("../a/x.jpg", "in/z.jpg")
    assert [path.name for path in (tmp_path / "results").iterdir() if path.is_dir()] == ["classified"]
    assert {place: (tmp_path / place).read_bytes() for place in places} == before


def test_an_unfinished_run_in_another_folder_is_another_one(here, tmp_path, monkeypatch, capsys):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    for folder, picture in (("one", astronaut()), ("other", Image.new("RGB", (100, 100)))):
        (tmp_path / folder).mkdir()
        picture.save(tmp_path / folder / "x.png")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Classification, "summarize", stopped)
        os.chdir(tmp_path / "one")
        here("x.png")
    assert [row["emotion"] for row in here("x.png")] == ["Happy"]
    assert "going on after 1 files" in capsys.readouterr().out

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Classification, "summarize", stopped)
        here("x.png")
    os.chdir(tmp_path / "other")
    assert [row["note"] for row in here("x.png")] == ["no face found"]
    assert "going on" not in capsys.readouterr().out


def test_a_faceless_picture_counts_as_read_whatever_the_unreadable_ones_are_called(here, tmp_path, capsys):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.png").write_text("no picture")
    Image.new("RGB", (100, 100)).save(tmp_path / "x.png")
    rows = here(tmp_path / "sub", "x.png")
    assert [row["note"][:13] for row in rows] == ["not read: " + str(tmp_path)[:3], "no face found"]
    assert "1 files without a face" in capsys.readouterr().out


def test_a_missing_package_is_told_before_the_work_begins(project, tmp_path):
    log = project.root / "pipeline" / "journal.py"
    code = log.read_text(encoding="utf-8")
    log.write_text(code.replace('find_spec("pyarrow")', 'find_spec("pyarrow_absent")'), encoding="utf-8")
    printed = project.run("Classification.py", "--images", "x.png", "--formats", "parquet", status=1)
    assert "Classification.py: Parquet needs the package pyarrow. Run: python -m pip" in printed
    assert "Traceback" not in printed and not (project.results / "classification.unfinished.jsonl").exists()


def test_smoothing_below_zero_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"smoothing is -1\.0, but must not be below 0"):
        Classification.main(Classification.Settings(smoothing=-1.0), ArtifactStore(tmp_path))


# --------------------------------------------------------------------------------------------------
# What is named
# --------------------------------------------------------------------------------------------------
def names(*named: str) -> list[str]:
    return [path.as_posix() for path in find_inputs(list(named))]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "f/a.jpg",
        "f/b.MP4",
        "f/c.csv.gz",
        "f/notes.txt",
        "f/._a.jpg",
        "f/g/d.png",
        "f/h.jpg/e.webp",
        "[1].png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_folders_and_patterns_give_what_may_be_pictures(tree):
    inside = ["f/a.jpg", "f/b.MP4", "f/c.csv.gz", "f/g/d.png", "f/h.jpg/e.webp"]
    assert names("f") == inside and names(str(tree / "f")) == [f"{tree.as_posix()}/{name}" for name in inside]
    assert names("f/*.jpg") == ["f/a.jpg", "f/h.jpg/e.webp"]
    assert names("f/**/*.png", "f/?/d.png", "f/g") == ["f/g/d.png"]  # each once
    assert names(str(tree / "f" / "g" / "*")) == [f"{tree.as_posix()}/f/g/d.png"]
    assert names("[1].png", "[f]/a.*", "none*.png", "gone.jpg", "f/notes.txt") == [
        "[1].png", "f/a.jpg", "none*.png", "gone.jpg", "f/notes.txt",
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_no_loop_of_links_is_run_round(tree):
    for name in ("f/up", "f/g/up", "f/g/again"):
        (tree / name).symlink_to(tree / "f", target_is_directory=True)
    (tree / "f" / "loop.png").symlink_to("loop.png")
    assert names("f/**/*.png") == ["f/g/d.png", "f/loop.png"]
    assert [name for name in names("f") if name.endswith(".png")] == ["f/g/d.png", "f/loop.png"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="there all may be read")
def test_what_may_not_be_read_has_a_reason(here, tree):
    astronaut().save(tree / "good.png")
    for name in ("a.jpg", "b.MP4"):
        (tree / "f" / name).chmod(0)
    (tree / "f" / "g").chmod(0)
    try:
        rows = here("good.png", "f/a.jpg", "f/b.MP4", "f/g/d.png", "f/g")
        assert [row["emotion"] for row in rows] == ["Happy", "", "", "", ""]
        assert all("Permission denied" in row["note"] for row in rows[1:4])
        assert rows[4]["file"] == "f/g" and "may not look into that folder" in rows[4]["note"]
    finally:
        (tree / "f" / "g").chmod(0o700)
