"""Step 12: the report per emotion, right and wrong examples, and the emotions in whatever pictures you have.

Reads data/predictions and test_x, and shows results/classification_report.json and results/examples.png. Where pictures
are named it finds the faces in them and tells their emotions: results/classification.csv (a row a face), copies of the
pictures with the faces marked in results/classified/, and results/new_pictures.png. They are recognized by the network
trained in data/ on photographs; where none was, by the best of models/.
Run:    python Classification.py
        python Classification.py --images me.png ~/photos holiday.mp4 more_faces.csv
        python Classification.py --images faces/ --faces crop --model models/Compact.tflite --formats csv parquet
Expect: the best figures for Happy and Surprise, the worst for Fear. Half a second for a photograph; a video at about
its own speed. Killed in between, the same command goes on where it stopped.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pipeline.workflow.cli import run_step

import numpy as np
from PIL import Image
from sklearn.metrics import classification_report
from tqdm import tqdm

from pipeline.data import csv_reader, image_io
from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.image_io import read_image
from pipeline.figures import plots
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import annotate
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.inputs import InputKind, find_inputs, input_kind
from pipeline.vision.recognition import load_classifier, recognize_faces
from pipeline.vision.results_log import NOT_READ, ResultsLog, crop_row, to_rows
from pipeline.vision.results_table import Row, TableFormat, check_formats
from pipeline.vision.tracker import Tracker
from pipeline.vision.video_io import VideoReader, open_video_writer
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import atomic_write, write_json
from pipeline.workflow.fingerprint import compute_fingerprint
from pipeline.workflow.formatting import printable
from pipeline.workflow.steps import RESULTS

MOST_SHOWN = 14  # faces in results/new_pictures.png; the table has them all
MOST_TOLD = 20  # on the screen


@dataclass
class Settings:
    images: tuple[str, ...] = ()  # pictures, videos, CSVs of faces, folders, patterns; none: only the report
    faces: Literal["find", "crop"] = "find"  # crop: each picture is a face already, closely cut out
    model: str = ""  # a saved file, or data; "": data if it knows photographs, else models/Strong.tflite
    tta: Literal[1, 2, 18] = 2  # of each new face, to average over: 2 with its mirror image, 18 shifted too
    smoothing: float = 0.4  # seconds over which the emotions in a video are smoothed; 0: not at all
    annotate: bool = True  # False: no copies of pictures and videos with the faces marked
    formats: tuple[TableFormat, ...] = ("csv",)  # of the table: csv, jsonl, parquet
    resume: bool = True  # go on with an unfinished run over the same images
    examples: int = 7  # right ones and wrong ones to show, 1 to 12 each
    seed: int = 0  # of their choice
    show: bool = False  # True: open the pictures where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    if not 1 <= settings.examples <= 12:
        raise ValueError(f"examples is {settings.examples}, but must lie between 1 and 12.")
    if not settings.smoothing >= 0:
        raise ValueError(f"smoothing is {settings.smoothing}, but must not be below 0.")
    images = [image for image in settings.images if image]
    if not images:
        report(settings, store)
        return
    try:
        report(settings, store)
    except (ValueError, FileNotFoundError) as error:  # new pictures need no report on old ones
        print(f"  no report on the test split: {error}")
    classify(images, settings, store)


# --------------------------------------------------------------------------------------------------
# The test split
# --------------------------------------------------------------------------------------------------
def report(settings: Settings, store: ArtifactStore) -> None:
    predictions, source = store.read("predictions")["test"], store.read("source")
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    predicted = probabilities.argmax(axis=1)
    wanted = {"labels": range(len(EMOTIONS)), "target_names": EMOTIONS, "zero_division": 0}
    print(classification_report(labels, predicted, digits=3, **wanted))
    figures = classification_report(labels, predicted, output_dict=True, **wanted)
    write_json(RESULTS / "classification_report.json", {"data": source["label"], "split": "test", **figures})
    print("  table: results/classification_report.json")

    faces = store.read("test_x")
    rng = np.random.default_rng(settings.seed)
    lines = []
    for heading, rows in (("Recognized", predicted == labels), ("Mistaken", predicted != labels)):
        chosen = rng.choice(np.flatnonzero(rows), min(settings.examples, rows.sum()), replace=False)
        answers = [
            plots.FacePanel(faces[row], probabilities[row], titled(labels[row], predicted[row]), labels[row])
            for row in chosen
        ]
        lines.append((f"{heading}: {rows.sum():,} of {len(rows):,} test faces", answers))
    plots.save_figure(plots.draw_gallery(lines), "examples.png", source, settings.show)


def titled(label: int, predicted: int) -> str:
    return EMOTIONS[label] if label == predicted else f"{EMOTIONS[label]}, taken for {EMOTIONS[predicted]}"


# --------------------------------------------------------------------------------------------------
# New pictures
# --------------------------------------------------------------------------------------------------
def classify(images: list[str], settings: Settings, store: ArtifactStore) -> None:
    """Recognize the emotions in all that is named; goes on past what cannot be read, and lists it."""
    check_formats(settings.formats)
    files = find_inputs(images)
    if not files:
        raise ValueError(f"There is no picture, video or CSV in {', '.join(images)}.")
    classifier = load_classifier(settings.model, store, model_zoo.MOST_ACCURATE_MODEL)
    about = {name: getattr(settings, name) for name in ("images", "faces", "tta", "smoothing", "annotate")}
    about["folder"] = os.getcwd()  # in another one the same name is another file's
    about["model"] = store.inputs.get("trained_model") or compute_fingerprint(classifier.path)["sha256"]
    log = ResultsLog(RESULTS / "classification", about, settings.resume)
    if log.completed:
        print(f"  going on after {len(log.completed):,} files (to start anew: --no-resume)", flush=True)
    looker, common = Looker(settings, classifier), common_folder(files)
    try:
        for path in tqdm(files, desc="  recognizing", unit="file", delay=1, leave=False):
            if printable(path) not in log.completed:
                log.add_file(printable(path), looker.rows(path, copy_of(path, common)))
        summarize(log, settings)
    finally:
        log.close()
    draw_first(looker.first, classifier, settings.show)


class Looker:
    """Looks for faces in files of all kinds; `first` has the first of them."""

    def __init__(self, settings: Settings, classifier: EmotionClassifier):
        self.settings, self.classifier = settings, classifier
        self.detector = FaceDetector()
        self.first: list[plots.FacePanel] = []

    def rows(self, path: Path, copy: Path) -> Iterator[Row]:
        """A row for each face of a file; where wanted, with a copy on which they are drawn.

        Raises ValueError or OSError for a file that cannot be read.
        """
        kind = input_kind(path)
        if kind == "video":
            return self.of_video(path, copy)
        if kind == "csv" or self.settings.faces == "crop":
            return self.of_crops(path, kind)
        return self.of_picture(path, copy)

    def of_picture(self, path: Path, copy: Path) -> Iterator[Row]:
        picture = read_image(path)
        faces = recognize_faces(picture, self.detector, self.classifier, self.settings.tta)
        for face in faces:
            self.show(crop_face(picture, face.face), face.probabilities, path.name)
        if faces and self.settings.annotate:
            annotate.annotate_faces(picture, faces)
            save_picture(picture, copy)
        yield from to_rows(printable(path), faces)

    def of_crops(self, path: Path, kind: InputKind) -> Iterator[Row]:
        """Of a picture that is a face, or of a CSV that has one in each row."""
        if kind == "csv":
            crops = csv_reader.read_csv(path, needed=("pixels",))["pixels"]
        else:
            crops = image_io.read_face(path)[np.newaxis]
        answers = self.classifier.predict_proba(crops, self.settings.tta)
        for number, (pixels, probabilities) in enumerate(zip(crops, answers, strict=True), start=1):
            self.show(pixels, probabilities, path.name if kind != "csv" else f"{path.name}, row {number:,}")
            yield crop_row(printable(path), number, probabilities)

    def of_video(self, path: Path, copy: Path) -> Iterator[Row]:
        video, tracker, detector = (
            VideoReader(path),
            Tracker(self.settings.smoothing),
            FaceDetector(live=True),
        )
        seen: dict[int, list[tuple[float, np.ndarray]]] = {}
        with ExitStack() as open_files:
            drawn = None
            told = {"desc": f"  {printable(path.name)[-30:]}", "unit": "frame", "delay": 1, "leave": False}
            for frame in tqdm(video, total=video.frame_count or None, **told):
                found = recognize_faces(frame.image, detector, self.classifier, self.settings.tta)
                faces = tracker.update(found, frame.seconds)
                for face in faces:
                    if face.track_id not in seen:
                        self.show(crop_face(frame.image, face.face), face.probabilities, path.name)
                    seen.setdefault(face.track_id, []).append((frame.seconds, face.probabilities))
                if self.settings.annotate:
                    target = open_video_writer(with_ending(copy, ".mp4"), video.fps, frame.size)
                    drawn = drawn or open_files.enter_context(target)
                    annotate.annotate_faces(frame.image, faces)
                    drawn.write(frame.image)
                yield from to_rows(printable(path), faces, frame.number, frame.seconds)
        if video.is_truncated:
            print(
                f"  {printable(path)} is cut short: {video.frames_read:,} frames of {video.frame_count:,} can be read"
            )
        if seen and self.settings.annotate:
            name = with_ending(copy, ".png").relative_to(RESULTS).as_posix()
            plots.save_figure(plots.plot_emotions_over_time(seen), name, source_of(self.classifier))

    def show(self, pixels: np.ndarray, probabilities: np.ndarray, title: str) -> None:
        if len(self.first) < MOST_SHOWN:
            self.first.append(plots.FacePanel(pixels, probabilities, printable(title)[-24:]))


def common_folder(files: list[Path]) -> Path | None:
    """The lowest folder that they are all below; None where they are on several drives."""
    try:
        return Path(os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in files]))
    except ValueError:
        return None


def copy_of(path: Path, common: Path | None) -> Path:
    """Where a file's annotated copy goes: as deep in results/classified as it lies below what all have in common."""
    path = Path(os.path.abspath(path))  # without any "..", which would lead out of that folder
    return RESULTS / "classified" / path.relative_to(common or path.anchor)


def with_ending(copy: Path, *endings: str) -> Path:
    """A name with one of these endings; the first is put behind its own, so that a.avi and a.mov remain two."""
    return copy if copy.suffix.lower() in endings else copy.with_name(copy.name + endings[0])


def save_picture(picture: np.ndarray, copy: Path) -> None:
    with atomic_write(with_ending(copy, *image_io.IMAGE_EXTENSIONS)) as unfinished:
        Image.fromarray(picture).save(unfinished)


def summarize(log: ResultsLog, settings: Settings) -> None:
    """The first faces, how often which emotion, and what was not read and why; then the tables.

    A face of a video counts once, for the emotion that it shows most. Raises ValueError, and leaves the tables of
    before as they are, where nothing could be read.
    """
    emotions, unread, without = Counter(), [], 0
    for file, rows in groupby(log.rows(), key=lambda row: row["file"]):
        shows: dict[int, Counter] = {}  # what each face of this file shows, and how often
        known = len(unread)
        for row in rows:
            if "emotion" in row:
                shows.setdefault(row["face"], Counter())[row["emotion"]] += 1
            elif row["note"].startswith(NOT_READ):
                unread.append(row["note"])
        without += not shows and len(unread) == known
        for face, often in shows.items():
            (emotion, frames), *_ = often.most_common(1)
            emotions[emotion] += 1
            if emotions.total() <= MOST_TOLD:
                share = f" ({frames:,} of {often.total():,} frames)" if often.total() > 1 else ""
                print(f"  {file[-50:]:<50} {face:>4}  {emotion}{share}")
    if emotions.total() > MOST_TOLD:
        print(f"  ... and {emotions.total() - MOST_TOLD:,} more")
    for reason in unread:
        print(f"  {reason}")
    if not emotions and not without:
        log.discard()
        raise ValueError(f"None of the {len(unread):,} files could be read.")

    log.finish(settings.formats)
    often = ", ".join(f"{emotion} {count:,}" for emotion, count in emotions.most_common())
    print(f"  {emotions.total():,} faces{': ' * bool(often)}{often}; {without:,} files without a face")
    if without and not emotions:
        print("  (pictures that are faces already, closely cut out, are read with --faces crop)")
    tables = ", ".join(f"results/classification.{name}" for name in settings.formats)
    print(f"  table: {tables}; {len(unread):,} files not read")
    if settings.annotate and settings.faces == "find" and emotions:
        print("  pictures: results/classified/")


def draw_first(first: list[plots.FacePanel], classifier: EmotionClassifier, show: bool) -> None:
    """A picture of the first faces with their probabilities."""
    if first:
        lines = [
            ("New pictures" if not start else "", first[start : start + 7])
            for start in range(0, len(first), 7)
        ]
        plots.save_figure(plots.draw_gallery(lines), "new_pictures.png", source_of(classifier), show)


def source_of(classifier: EmotionClassifier) -> dict[str, Any]:
    """What the footer of a figure tells of new pictures."""
    return {"is_sample": False, "label": f"new pictures; recognized by {classifier.path.name}"}


if __name__ == "__main__":
    run_step(main, Settings)
