"""Step 12: the report per emotion, right and wrong examples, and the emotions in whatever pictures you have.

Reads data/predictions and test_x, and shows results/classification_report.json and results/examples.png. Where pictures
are named it finds the faces in them and tells their emotions: results/classification.csv (a row a face), copies of the
pictures with the faces marked in results/classified/, and results/new_pictures.png. They are recognised by the network
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

from pipeline import dataset, drawing, plots, shipped
from pipeline.cache import Cache
from pipeline.cli import run_step
from pipeline.dataset import EMOTIONS
from pipeline.faces import Finder, crop
from pipeline.files import fingerprint, shown, whole_or_not, write_json
from pipeline.journal import UNREAD, Format, Journal, Row, refuse_unwritable, row_of_crop, rows_of
from pipeline.pictures import read_picture
from pipeline.recognition import chosen_recogniser, recognise
from pipeline.runtime import Recogniser
from pipeline.sources import Kind, kind_of, named_files
from pipeline.steps import RESULTS
from pipeline.tracks import Tracker
from pipeline.video import Video, recording

import numpy as np
from PIL import Image
from sklearn.metrics import classification_report
from tqdm import tqdm

MOST_SHOWN = 14  # faces in results/new_pictures.png; the table has them all
MOST_TOLD = 20  # on the screen


@dataclass
class Settings:
    images: tuple[str, ...] = ()  # pictures, videos, CSVs of faces, folders, patterns; none: only the report
    faces: Literal["find", "crop"] = "find"  # crop: each picture is a face already, closely cut out
    model: str = ""  # a saved file, or data; "": data if it knows photographs, else models/Strong.tflite
    views: Literal[1, 2, 18] = 2  # of each new face, to average over: 2 with its mirror image, 18 shifted too
    smoothing: float = 0.4  # seconds over which the emotions in a video are smoothed; 0: not at all
    annotate: bool = True  # False: no copies of pictures and videos with the faces marked
    formats: tuple[Format, ...] = ("csv",)  # of the table: csv, jsonl, parquet
    resume: bool = True  # go on with an unfinished run over the same images
    examples: int = 7  # right ones and wrong ones to show, 1 to 12 each
    seed: int = 0  # of their choice
    show: bool = False  # True: open the pictures where there is a display


def main(settings: Settings, cache: Cache) -> None:
    if not 1 <= settings.examples <= 12:
        raise ValueError(f"examples is {settings.examples}, but must lie between 1 and 12.")
    if not settings.smoothing >= 0:
        raise ValueError(f"smoothing is {settings.smoothing}, but must not be below 0.")
    images = [image for image in settings.images if image]
    if not images:
        report(settings, cache)
        return
    try:
        report(settings, cache)
    except (ValueError, FileNotFoundError) as error:  # new pictures need no report on old ones
        print(f"  no report on the test split: {error}")
    classify(images, settings, cache)


# --------------------------------------------------------------------------------------------------
# The test split
# --------------------------------------------------------------------------------------------------
def report(settings: Settings, cache: Cache) -> None:
    predictions, source = cache.read("predictions")["test"], cache.read("source")
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    predicted = probabilities.argmax(axis=1)
    wanted = {"labels": range(len(EMOTIONS)), "target_names": EMOTIONS, "zero_division": 0}
    print(classification_report(labels, predicted, digits=3, **wanted))
    figures = classification_report(labels, predicted, output_dict=True, **wanted)
    write_json(RESULTS / "classification_report.json", {"data": source["label"], "split": "test", **figures})
    print("  table: results/classification_report.json")

    faces = cache.read("test_x")
    rng = np.random.default_rng(settings.seed)
    lines = []
    for heading, rows in (("Recognised", predicted == labels), ("Mistaken", predicted != labels)):
        chosen = rng.choice(np.flatnonzero(rows), min(settings.examples, rows.sum()), replace=False)
        answers = [
            plots.Answer(faces[row], probabilities[row], titled(labels[row], predicted[row]), labels[row])
            for row in chosen
        ]
        lines.append((f"{heading}: {rows.sum():,} of {len(rows):,} test faces", answers))
    plots.save(plots.gallery(lines), "examples.png", source, settings.show)


def titled(label: int, predicted: int) -> str:
    return EMOTIONS[label] if label == predicted else f"{EMOTIONS[label]}, taken for {EMOTIONS[predicted]}"


# --------------------------------------------------------------------------------------------------
# New pictures
# --------------------------------------------------------------------------------------------------
def classify(images: list[str], settings: Settings, cache: Cache) -> None:
    """Recognise the emotions in all that is named; goes on past what cannot be read, and lists it."""
    refuse_unwritable(settings.formats)
    files = named_files(images)
    if not files:
        raise ValueError(f"There is no picture, video or CSV in {', '.join(images)}.")
    recogniser = chosen_recogniser(settings.model, cache, shipped.BEST)
    about = {name: getattr(settings, name) for name in ("images", "faces", "views", "smoothing", "annotate")}
    about["folder"] = os.getcwd()  # in another one the same name is another file's
    about["model"] = cache.made_from.get("trained_model") or fingerprint(recogniser.path)["sha256"]
    journal = Journal(RESULTS / "classification", about, settings.resume)
    if journal.done:
        print(f"  going on after {len(journal.done):,} files (to start anew: --no-resume)", flush=True)
    looker, common = Looker(settings, recogniser), common_folder(files)
    try:
        for path in tqdm(files, desc="  recognising", unit="file", delay=1, leave=False):
            if shown(path) not in journal.done:
                journal.add_file(shown(path), looker.rows(path, copy_of(path, common)))
        summarise(journal, settings)
    finally:
        journal.close()
    draw_first(looker.first, recogniser, settings.show)


class Looker:
    """Looks for faces in files of all kinds; `first` has the first of them."""

    def __init__(self, settings: Settings, recogniser: Recogniser):
        self.settings, self.recogniser = settings, recogniser
        self.finder = Finder()
        self.first: list[plots.Answer] = []

    def rows(self, path: Path, copy: Path) -> Iterator[Row]:
        """A row for each face of a file; where wanted, with a copy on which they are drawn.

        Raises ValueError or OSError for a file that cannot be read.
        """
        kind = kind_of(path)
        if kind == "video":
            return self.of_video(path, copy)
        if kind == "csv" or self.settings.faces == "crop":
            return self.of_crops(path, kind)
        return self.of_picture(path, copy)

    def of_picture(self, path: Path, copy: Path) -> Iterator[Row]:
        picture = read_picture(path)
        faces = recognise(picture, self.finder, self.recogniser, self.settings.views)
        for face in faces:
            self.show(crop(picture, face.face), face.probabilities, path.name)
        if faces and self.settings.annotate:
            drawing.draw(picture, faces)
            save_picture(picture, copy)
        yield from rows_of(shown(path), faces)

    def of_crops(self, path: Path, kind: Kind) -> Iterator[Row]:
        """Of a picture that is a face, or of a CSV that has one in each row."""
        if kind == "csv":
            crops = dataset.read_csv(path, needed=("pixels",))["pixels"]
        else:
            crops = dataset.read_face(path)[np.newaxis]
        answers = self.recogniser.predict(crops, self.settings.views)
        for number, (pixels, probabilities) in enumerate(zip(crops, answers, strict=True), start=1):
            self.show(pixels, probabilities, path.name if kind != "csv" else f"{path.name}, row {number:,}")
            yield row_of_crop(shown(path), number, probabilities)

    def of_video(self, path: Path, copy: Path) -> Iterator[Row]:
        video, tracker, finder = Video(path), Tracker(self.settings.smoothing), Finder(live=True)
        seen: dict[int, list[tuple[float, np.ndarray]]] = {}
        with ExitStack() as open_files:
            drawn = None
            told = {"desc": f"  {shown(path.name)[-30:]}", "unit": "frame", "delay": 1, "leave": False}
            for frame in tqdm(video, total=video.length or None, **told):
                found = recognise(frame.picture, finder, self.recogniser, self.settings.views)
                faces = tracker.follow(found, frame.seconds)
                for face in faces:
                    if face.number not in seen:
                        self.show(crop(frame.picture, face.face), face.probabilities, path.name)
                    seen.setdefault(face.number, []).append((frame.seconds, face.probabilities))
                if self.settings.annotate:
                    target = recording(with_ending(copy, ".mp4"), video.rate, frame.size)
                    drawn = drawn or open_files.enter_context(target)
                    drawing.draw(frame.picture, faces)
                    drawn.write(frame.picture)
                yield from rows_of(shown(path), faces, frame.number, frame.seconds)
        if video.cut_short:
            print(f"  {shown(path)} is cut short: {video.seen:,} frames of {video.length:,} can be read")
        if seen and self.settings.annotate:
            name = with_ending(copy, ".png").relative_to(RESULTS).as_posix()
            plots.save(plots.over_time(seen), name, source_of(self.recogniser))

    def show(self, pixels: np.ndarray, probabilities: np.ndarray, title: str) -> None:
        if len(self.first) < MOST_SHOWN:
            self.first.append(plots.Answer(pixels, probabilities, shown(title)[-24:]))


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
    with whole_or_not(with_ending(copy, *dataset.PICTURES)) as unfinished:
        Image.fromarray(picture).save(unfinished)


def summarise(journal: Journal, settings: Settings) -> None:
    """The first faces, how often which emotion, and what was not read and why; then the tables.

    A face of a video counts once, for the emotion that it shows most. Raises ValueError, and leaves the tables of
    before as they are, where nothing could be read.
    """
    emotions, unread, without = Counter(), [], 0
    for file, rows in groupby(journal.rows(), key=lambda row: row["file"]):
        shows: dict[int, Counter] = {}  # what each face of this file shows, and how often
        known = len(unread)
        for row in rows:
            if "emotion" in row:
                shows.setdefault(row["face"], Counter())[row["emotion"]] += 1
            elif row["note"].startswith(UNREAD):
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
        journal.discard()
        raise ValueError(f"None of the {len(unread):,} files could be read.")

    journal.finish(settings.formats)
    often = ", ".join(f"{emotion} {count:,}" for emotion, count in emotions.most_common())
    print(f"  {emotions.total():,} faces{': ' * bool(often)}{often}; {without:,} files without a face")
    if without and not emotions:
        print("  (pictures that are faces already, closely cut out, are read with --faces crop)")
    tables = ", ".join(f"results/classification.{name}" for name in settings.formats)
    print(f"  table: {tables}; {len(unread):,} files not read")
    if settings.annotate and settings.faces == "find" and emotions:
        print("  pictures: results/classified/")


def draw_first(first: list[plots.Answer], recogniser: Recogniser, show: bool) -> None:
    """A picture of the first faces with their probabilities."""
    if first:
        lines = [
            ("New pictures" if not start else "", first[start : start + 7])
            for start in range(0, len(first), 7)
        ]
        plots.save(plots.gallery(lines), "new_pictures.png", source_of(recogniser), show)


def source_of(recogniser: Recogniser) -> dict[str, Any]:
    """What the footer of a figure tells of new pictures."""
    return {"is_sample": False, "label": f"new pictures; recognised by {recogniser.path.name}"}


if __name__ == "__main__":
    run_step(main, Settings)
