"""Classify the faces in images, videos and CSV files of faces, with annotated copies and figures of the results."""

import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline.data import csv_reader
from pipeline.data.image_io import IMAGE_EXTENSIONS, read_face, read_image
from pipeline.data.pixels import stretch_contrast
from pipeline.inference.classifier import EmotionClassifier
from pipeline.vision.annotate import annotated_copy
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.frame_pipeline import FramePipeline, annotate_video
from pipeline.vision.inputs import input_kind
from pipeline.vision.recognition import recognize_faces
from pipeline.vision.results_log import ResultsLog, crop_row, to_rows
from pipeline.vision.results_table import Row
from pipeline.vision.video_worker import IsolatedVideoReader
from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.flags import make_absolute
from pipeline.workflow.formatting import format_count, printable
from pipeline.workflow.settings import Location
from pipeline.workflow.steps import RESULTS

if TYPE_CHECKING:  # Matplotlib, which takes a second to start, is imported where a chart is drawn
    from pipeline.figures.plots import FacePanel

FaceSource = Literal["detect", "crop"]
MAX_TRACK_AGE_S = 1.0  # for which a face that is not detected keeps its number in a video
MAX_GALLERY_FACES = 14  # in results/new_pictures.png; the tables have all faces
GALLERY_COLUMNS = 7
MAX_TITLE_LENGTH = 24  # characters of a file's name above its face


@dataclass
class FileClassifier:
    """Classify the faces of files of all kinds.

    Args:
        classifier: predicts the emotions of cropped faces.
        faces: detect the faces in each image, or take each image as one tightly cropped face.
        tta: views of each face to average over (test-time augmentation).
        smoothing: time constant in seconds of the moving average of the probabilities in a video; 0 disables it.
        annotate: whether to write annotated copies of images and videos to results/classified/.
        charts: whether to draw the emotions over time of each annotated video, and to keep faces for `save_gallery`.
        results: the folder of the results.
        every: classify every n-th frame of a video.

    Attributes:
        first_faces: the first faces that were classified, for `save_gallery`; empty without `charts`.
        first_copy: the annotated copy of the first image with a face.
    """

    classifier: EmotionClassifier
    faces: FaceSource = "detect"
    tta: int = 2
    smoothing: float = 0.4
    annotate: bool = True
    charts: bool = False
    results: Path = RESULTS
    every: int = 1
    first_faces: "list[FacePanel]" = field(default_factory=list, init=False)
    first_copy: Path | None = field(default=None, init=False)

    def __post_init__(self):
        self.detector = FaceDetector()
        if self.charts:
            importlib.import_module("matplotlib")  # that it is not installed is an error before any work

    def describe_run(self, images: Sequence[str], model_sha256: str) -> dict[str, Any]:
        """Return all that the results depend on; a run that was interrupted resumes only if it is the same."""
        images = [make_absolute(image, Location()) for image in images]
        names = ("faces", "tta", "smoothing", "annotate", "charts", "every")
        options = {name: getattr(self, name) for name in names}
        return {"images": images, "model": model_sha256, **options}

    def classify_files(self, files: list[Path], log: ResultsLog) -> None:
        """Classify files and log a row for each face; skip the files that the log already has.

        A file that cannot be read does not stop the run: its row in the log has the reason.
        """
        if log.completed:
            print(
                f"  resuming after {format_count(len(log.completed), 'file')} (--no-resume starts from scratch)",
                flush=True,
            )
        for other in log.list_others():
            print(f"  An unfinished run over other images is kept in {other.name}; its command continues it.")
        copies = self.results / "classified"
        parent = common_folder(files)
        for path in tqdm(files, desc="  classifying", unit="file", delay=1, leave=False):
            key = printable(os.path.abspath(path))  # of a run that is resumed from another folder too
            if key not in log.completed:
                rows = self.classify_file(path, copy_path(path, parent, copies))
                log.add_file(printable(path), rows, key)

    def classify_file(self, path: Path, copy: Path) -> Iterator[Row]:
        """Return a row for each face of a file, and write an annotated copy.

        Args:
            copy: of the annotated copy; a video's copy has the extension .mp4 in addition.

        Raises:
            ValueError, OSError: while the rows are computed, for a file that cannot be read.
        """
        kind = input_kind(path)
        if kind == "video":
            return self._classify_video(path, copy)
        if kind == "csv":
            return self._classify_csv(path)
        if self.faces == "crop":
            return self._classify_crops(path, read_face(path)[np.newaxis], [path.name])
        return self._classify_image(path, copy)

    def _classify_image(self, path: Path, copy: Path) -> Iterator[Row]:
        image = read_image(path)
        predictions = recognize_faces(image.pixels, self.detector, self.classifier, self.tta)
        for prediction in predictions:
            crop = crop_face(image.pixels, prediction.face)
            self._add_to_gallery(crop, prediction.probabilities, path.name)
        predictions = [prediction.scaled(*image.scale) for prediction in predictions]
        if predictions and self.annotate:
            path_of_copy = save_image(annotated_copy(image, predictions), copy)
            self.first_copy = self.first_copy or path_of_copy
        yield from to_rows(printable(path), predictions, notes=image.notes)

    def _classify_csv(self, path: Path) -> Iterator[Row]:
        crops = csv_reader.read_csv(path, ("pixels",))["pixels"]
        titles = (f"{path.name}, row {index:,}" for index in range(1, len(crops) + 1))
        yield from self._classify_crops(path, crops, titles)

    def _classify_crops(self, path: Path, crops: np.ndarray, titles: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of cropped faces (N, 48, 48) uint8."""
        predictions = zip(
            crops, titles, self.classifier.predict_proba(stretch_contrast(crops), self.tta), strict=True
        )
        for index, (pixels, title, probabilities) in enumerate(predictions, start=1):
            self._add_to_gallery(pixels, probabilities, title)
            yield crop_row(printable(path), index, probabilities)

    def _classify_video(self, path: Path, copy: Path) -> Iterator[Row]:
        reader = IsolatedVideoReader(path, self.every)
        max_age = max(MAX_TRACK_AGE_S, 1.5 * (self.every - 1) / reader.fps)  # over one frame that is read
        frame_pipeline = FramePipeline(
            self.classifier, tta=self.tta, smoothing=self.smoothing, max_age=max_age
        )
        frames = annotate_video(
            reader, frame_pipeline, add_extension(copy, ".mp4") if self.annotate else None
        )
        progress = {"desc": f"  {printable(path.name)[-30:]}", "unit": "frame", "delay": 1, "leave": False}
        tracks: dict[int, list[tuple[float, np.ndarray]]] = {}
        for frame, predictions in tqdm(
            frames, total=-(-reader.frame_count // self.every) or None, **progress
        ):
            for prediction in predictions:
                if prediction.track_id not in tracks:
                    crop = crop_face(frame.image, prediction.face)
                    self._add_to_gallery(crop, prediction.probabilities, path.name)
                track = tracks.setdefault(prediction.track_id, [])
                track.append((frame.seconds, prediction.probabilities))
            yield from to_rows(printable(path), predictions, frame.number, frame.seconds)
        for note in reader.notes:
            print(f"  {printable(path)}: {note}")
            yield {"file": printable(path), "note": note}
        if tracks and self.annotate and self.charts:
            from pipeline.figures import plots

            name = copy.relative_to(self.results).as_posix()
            plots.save_figure(plots.plot_emotions_over_time(tracks), name, self._figure_source())

    def _add_to_gallery(self, pixels: np.ndarray, probabilities: np.ndarray, title: str) -> None:
        if self.charts and len(self.first_faces) < MAX_GALLERY_FACES:
            from pipeline.figures.plots import FacePanel

            title = printable(title)[-MAX_TITLE_LENGTH:]
            self.first_faces.append(FacePanel(pixels, probabilities, title))

    def save_gallery(self, show: bool = False) -> None:
        """Save a figure of the first faces with their probabilities as results/new_pictures.png."""
        if not self.first_faces:
            return
        from pipeline.figures import plots

        rows = [
            ("" if start else "New images", self.first_faces[start : start + GALLERY_COLUMNS])
            for start in range(0, len(self.first_faces), GALLERY_COLUMNS)
        ]
        plots.save_figure(plots.draw_gallery(rows), "new_pictures", self._figure_source(), show=show)

    def _figure_source(self) -> dict[str, Any]:
        return {"is_sample": False, "label": f"new images, classified by {self.classifier.path.name}"}


# --------------------------------------------------------------------------------------------------
# Paths of the annotated copies
# --------------------------------------------------------------------------------------------------
def common_folder(files: list[Path]) -> Path | None:
    """Return the deepest folder that contains all files; None if they are on several drives."""
    try:
        return Path(os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in files]))
    except ValueError:
        return None


def copy_path(path: Path, parent: Path | None, copies: Path) -> Path:
    """Return the path of a file's copy: relative to the folder `copies` as the file is to `parent`."""
    path = Path(os.path.abspath(path))  # without "..", which would lead out of the folder
    return copies / path.relative_to(parent or path.anchor)


def add_extension(path: Path, *extensions: str) -> Path:
    """Append the first extension unless the path has one of them; so the copies of a.avi and a.mov are two files."""
    return path if path.suffix.lower() in extensions else path.with_name(path.name + extensions[0])


def save_image(image: np.ndarray, path: Path) -> Path:
    """Save an image (height, width, 3) uint8 RGB, atomically; return its path, which has an extension of an image."""
    path = add_extension(path, *IMAGE_EXTENSIONS)
    with atomic_write(path) as temporary:
        Image.fromarray(image).save(temporary)
    return path
