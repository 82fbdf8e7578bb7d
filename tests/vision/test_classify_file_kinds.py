"""Classify files of all kinds: images, videos, CSV files, folders, and many that cannot be read.

The photographs and the small faces (from Labeled Faces in the Wild) come with scikit-image.
"""

import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from helpers import load_astronaut, read_rows, write_invalid_images
from PIL import Image
from serial_pool import SerialPool

from pipeline.data.csv_reader import write_csv
from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.image_io import read_image
from pipeline.data.pixels import to_uint8
from pipeline.figures import plots
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import file_classifier
from pipeline.vision.annotate import EMOTION_RGB
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.file_classifier import FileClassifier
from pipeline.vision.inputs import find_inputs
from pipeline.vision.recognition import recognize_faces
from pipeline.vision.results_log import ResultsLog
from pipeline.vision.results_summary import summarize_results
from pipeline.vision.video_io import VideoReader
from pipeline.vision.video_writer import open_video_writer

pytestmark = pytest.mark.slow  # its fixture classifies forty files

Rows = list[dict[str, str]]

FPS = 23.976
MODEL = model_zoo.MODELS_DIR / "Strong.tflite"  # sees a happy and a sad face in the video
N_FRAMES = 20
PIXELS_PER_FRAME = 9
HAPPY_START, SAD_START = (
    (60, 200),
    (300, 40),
)  # left and top in the first frame; the faces approach each other
SMOOTHING_S = 0.4


def probabilities_of(rows: Rows) -> np.ndarray:
    return np.array([[float(row[name]) for name in EMOTIONS] for row in rows])


def load_sad_face() -> np.ndarray:
    """(100, 100, 3) uint8 RGB."""
    faces = np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy")
    gray = cv2.resize(to_uint8(faces[3]), (100, 100), interpolation=cv2.INTER_CUBIC)
    return np.repeat(gray[..., np.newaxis], 3, axis=2)


def make_frame(index: int) -> np.ndarray:
    """A happy face that moves to the right and a sad one that moves to the left, over a cup of coffee."""
    frame = skimage.data.coffee()[:, :480].copy()
    left, top = HAPPY_START[0] + PIXELS_PER_FRAME * index, HAPPY_START[1]
    frame[top : top + 160, left : left + 160] = skimage.data.astronaut()[40:200, 140:300]
    left, top = SAD_START[0] - PIXELS_PER_FRAME * index, SAD_START[1]
    frame[top : top + 100, left : left + 100] = load_sad_face()
    return frame


def write_valid_images(folder: Path) -> list[str]:
    """Write the same face in files of many kinds and names; return the names."""
    photograph = load_astronaut()
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif)
    photograph.quantize(200).save(folder / "palette.png")
    photograph.convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(np.asarray(photograph.convert("L")).astype(np.uint16) * 257).save(folder / "deep.png")
    blank = Image.new("P", photograph.size)
    photograph.quantize(200).save(folder / "animated.gif", save_all=True, append_images=[blank])
    names = ["same.jpg", "sub/same.jpg", "=1+1.png"]
    if sys.platform == "linux":
        names += ['it\'s "here", Ünïcode 顔 $x$.png', "line\nbreak.png", "\udcff.png"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        photograph.save(folder / name)
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]


def write_videos(folder: Path) -> list[str]:
    """Write a video, and files that look like one but are invalid; return the names of the invalid ones."""
    with open_video_writer(folder / "film.mp4", FPS, (480, 400)) as writer:
        for index in range(N_FRAMES):
            writer.write(make_frame(index))
    content = (folder / "film.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    (folder / "text.mp4").write_text("This is text.")
    (folder / "empty.mp4").write_bytes(b"")
    return ["cut.mp4", "text.mp4", "empty.mp4"]


def write_links(folder: Path) -> list[str]:
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    (folder / "loop.png").symlink_to(folder / "pool.png")
    (folder / "pool.png").symlink_to(folder / "loop.png")
    (folder / "in itself").symlink_to(folder, target_is_directory=True)
    return ["dangling.png", "loop.png", "pool.png"]


@dataclass
class Run:
    """The files of one run, and its results. Tests must not change them."""

    folder: Path
    results: Path
    valid: list[str]
    invalid: list[str]

    def __post_init__(self):
        self.rows = read_rows(self.results / "classification.csv")
        self.by_file: dict[str, Rows] = defaultdict(list)
        for row in self.rows:
            self.by_file[row["file"].removeprefix(f"{self.folder}{os.sep}")].append(row)

    def of(self, name: str) -> Rows:
        return self.by_file[escape(name)]


def escape(name: str) -> str:
    return name.replace("\n", "\\n").replace("\udcff", "\\xff").replace("/", os.sep)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    home = tmp_path_factory.mktemp("home")
    folder, results = home / "my images", home / "results"
    (folder / "valid").mkdir(parents=True)
    valid = [f"valid/{name}" for name in write_valid_images(folder / "valid")]
    invalid = write_invalid_images(folder)
    invalid += write_videos(folder)
    if sys.platform != "win32":
        invalid += write_links(folder)
    Image.fromarray(skimage.data.coffee()).resize((300, 200)).save(folder / "nobody.jpg")
    faces = to_uint8(model_zoo.load_reference_faces()[:3, ..., 0])
    table = {"emotion": np.arange(3), "pixels": faces, "Usage": np.full(3, "Training")}
    write_csv(table, folder / "rows.csv")
    (folder / "bad.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    invalid.append("bad.csv")
    twice = list(folder.glob("valid/\udcff.png"))
    files = find_inputs([str(path) for path in (folder, folder / "missing.jpg", *twice)]).files
    classifier = EmotionClassifier(MODEL)
    run = FileClassifier(classifier, smoothing=SMOOTHING_S, charts=True, results=results)
    with ResultsLog(results / "classification", {}) as log, pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "RESULTS", results)
        patch.setattr(file_classifier, "ImagePool", SerialPool)
        run.classify_files(files, log)
        log.finish(("csv",))
        run.copies.publish()
        run.save_gallery()
    return Run(folder, results, valid, invalid)


def test_each_unreadable_file_has_a_row_with_the_reason(run):
    for name in run.invalid:
        (row,) = run.of(name)
        assert row["note"].startswith("not read: ") and name in row["note"], row
        assert row["emotion"] == row["face"] == ""
    (row,) = run.of("bad.csv")
    assert "row 1" in row["note"]


def test_each_file_has_rows_once(run):
    names = [*run.valid, *run.invalid, "nobody.jpg", "film.mp4", "rows.csv"]
    assert set(run.by_file) == {
        escape(name) for name in names
    }  # nothing of "in itself", a link to its folder


def test_the_face_is_found_in_images_of_all_kinds_and_names(run):
    assert len(run.valid) >= 7
    for name in run.valid:
        (row,) = run.of(name)
        assert (row["face"], row["emotion"]) == ("1", "Happy"), name
        assert bool(row["note"]) == name.endswith(".gif"), name  # which has more images
        box = [float(row[side]) for side in ("left", "top", "width", "height")]
        np.testing.assert_allclose(box, (78, 63, 90, 113), atol=8)


def test_probabilities_sum_to_one_and_the_emotion_is_the_most_probable(run):
    rows = [row for row in run.rows if row["emotion"]]
    probabilities = probabilities_of(rows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=4e-4)
    assert [EMOTIONS[index] for index in probabilities.argmax(axis=1)] == [row["emotion"] for row in rows]
    assert [float(row["confidence"]) for row in rows] == probabilities.max(axis=1).tolist()


def test_an_image_without_a_face_has_a_note(run):
    (row,) = run.of("nobody.jpg")
    assert row["note"] == "no face found" and row["emotion"] == ""


def test_the_rows_of_a_csv_are_cropped_faces(run):
    rows = run.of("rows.csv")
    assert [row["face"] for row in rows] == ["1", "2", "3"]
    faces = to_uint8(model_zoo.load_reference_faces()[:3])
    expected = EmotionClassifier(MODEL).predict_proba(faces, tta=2)
    np.testing.assert_allclose(probabilities_of(rows), expected, atol=1e-4)


def test_each_image_with_a_face_has_an_annotated_copy(run):
    copies = run.results / "classified"
    for name in run.valid:
        image = read_image(copies / name).pixels
        assert image.shape == (250, 250, 3), name
        is_happy = np.abs(image.astype(int) - EMOTION_RGB["Happy"]).max(axis=2) < 40
        (row,) = run.of(name)
        left, top = round(float(row["left"])), round(float(row["top"]))
        assert is_happy[max(0, top - 25) : top + 110, max(0, left - 10) : left + 10].sum() > 150, name
    names = {path.relative_to(copies).as_posix() for path in copies.rglob("*.*")}
    assert names == {*run.valid, "film.mp4", "film.mp4.png"}


def test_the_gallery_shows_the_first_faces(run):
    assert read_image(run.results / "new_pictures.png").pixels.shape[1] > 1000


# --------------------------------------------------------------------------------------------------
# Videos
# --------------------------------------------------------------------------------------------------
def test_each_frame_of_a_video_has_its_rows_and_time(run):
    rows = run.of("film.mp4")
    assert [int(row["frame"]) for row in rows] == sorted([*range(1, N_FRAMES + 1)] * 2)
    for row in rows:
        assert float(row["seconds"]) == pytest.approx((int(row["frame"]) - 1) / FPS, abs=1e-3)


def test_moving_faces_keep_their_numbers_and_emotions(run):
    emotions = {"1": "Happy", "2": "Sad"}
    # Horizontal center in the first frame, and pixels per frame.
    motion = {
        "1": (HAPPY_START[0] + 83, PIXELS_PER_FRAME),
        "2": (SAD_START[0] + 50, -PIXELS_PER_FRAME),
    }
    for row in run.of("film.mp4"):
        assert row["emotion"] == emotions[row["face"]], row
        start, speed = motion[row["face"]]
        center = float(row["left"]) + float(row["width"]) / 2
        assert abs(center - (start + speed * (int(row["frame"]) - 1))) < 12, row
    lines = summarize_results(run.of("film.mp4")).first_faces
    assert len(lines) == 2 and all(f"({N_FRAMES} of {N_FRAMES} frames)" in line for line in lines)


def test_the_probabilities_of_a_video_are_those_of_its_frames_smoothed(run):
    detector, classifier = FaceDetector(live=True), EmotionClassifier(MODEL)
    weight = 1 - np.exp(-1 / FPS / SMOOTHING_S)
    smoothed = {}
    rows = iter(run.of("film.mp4"))
    for frame in VideoReader(run.folder / "film.mp4"):
        for prediction in recognize_faces(frame.image, detector, classifier, tta=2):
            row = next(rows)
            current = prediction.probabilities
            previous = smoothed.get(row["face"], current)
            smoothed[row["face"]] = weight * current + (1 - weight) * previous
            np.testing.assert_allclose(probabilities_of([row])[0], smoothed[row["face"]], atol=2e-3)


def test_the_annotated_copy_of_a_video_has_its_frames_size_and_rate(run):
    original = VideoReader(run.folder / "film.mp4")
    annotated = VideoReader(run.results / "classified" / "film.mp4")
    assert annotated.fps == pytest.approx(original.fps)
    frames = list(zip(original, annotated, strict=True))
    assert len(frames) == N_FRAMES
    for before, after in frames:
        assert before.size == after.size and before.seconds == pytest.approx(after.seconds)
        for emotion in ("Happy", "Sad"):
            distance = np.abs(after.image.astype(int) - EMOTION_RGB[emotion]).max(axis=2)
            assert (distance < 60).sum() > 300  # MPEG blurs colors
