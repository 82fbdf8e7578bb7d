"""Classify the faces in images, videos and CSV files of faces, with annotated copies and figures of the results."""

import importlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from pipeline.data import csv_reader
from pipeline.inference.classifier import EmotionClassifier
from pipeline.vision.annotated_copies import AnnotatedCopies
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import MIN_FACE_SIDE, SCORE_THRESHOLD, FaceDetector
from pipeline.vision.file_kinds import input_kind
from pipeline.vision.frame_pipeline import FramePipeline, annotate_video
from pipeline.vision.image_classifier import (
    ClassifiedImage,
    FaceSource,
    classify_crops,
    describe_copy_error,
)
from pipeline.vision.image_pool import ImagePool, WorkerSettings
from pipeline.vision.recognition import SharedClassifier
from pipeline.vision.results_log import ResultsLog, to_rows
from pipeline.vision.results_table import Row
from pipeline.vision.video_worker import IsolatedVideoReader
from pipeline.workflow.flags import make_absolute
from pipeline.workflow.formatting import format_count, printable
from pipeline.workflow.processes import count_cores
from pipeline.workflow.settings import Location
from pipeline.workflow.steps import RESULTS

if TYPE_CHECKING:  # Matplotlib, which takes a second to start, is imported where a chart is drawn
    from pipeline.figures.plots import FacePanel

LITERT_SUFFIX = ".tflite"  # of a model that each worker loads
RESULT_OPTIONS = (
    "faces",
    "tta",
    "smoothing",
    "annotate",
    "charts",
    "explain",
    "every",
    "min_score",
    "min_size",
)
PROGRESS = {"delay": 1, "leave": False, "disable": None}  # a bar after a second, in a terminal only
GALLERY_NAME = "new_pictures"
MAX_TRACK_AGE_S = 1.0  # for which a face that is not detected keeps its number in a video
MAX_GALLERY_FACES = 14  # in results/new_pictures.png; the tables have all faces
GALLERY_COLUMNS = 7
MAX_TITLE_LENGTH = 24  # characters of a file's name above its face
MAX_PENDING = 16  # files for each worker that wait, or are done before an older one
POLL_INTERVAL_S = 0.5  # in which Windows notices Ctrl-C


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
        explain: whether to write the saliency maps of each image's faces to results/explained/.
        results: the folder of the results.
        every: classify every n-th frame of a video.
        min_score: of a face, 0 to 1, and min_size: of its longer side, in pixels of the file.
        workers: processes that classify images at the same time; 0: one for each processor core.
        time_limit: seconds after which an image is given up, and a video that shows no further frame.

    Attributes:
        first_faces: the first faces that were classified, for `save_gallery`; empty without `charts`.
        first_copy: the annotated copy of the first image with a face, where it will be published.
        copies, explanations: the images that `classify_files` writes, to be published or discarded after it.
    """

    classifier: EmotionClassifier
    faces: FaceSource = "detect"
    tta: int = 2
    smoothing: float = 0.4
    annotate: bool = True
    charts: bool = False
    explain: bool = False
    results: Path = RESULTS
    every: int = 1
    min_score: float = SCORE_THRESHOLD
    min_size: float = MIN_FACE_SIDE
    workers: int = 0
    time_limit: float = 60.0
    first_faces: "list[FacePanel]" = field(default_factory=list, init=False)
    first_copy: Path | None = field(default=None, init=False)

    def __post_init__(self):
        self.shared_classifier = SharedClassifier(self.classifier)
        if self.charts:
            importlib.import_module("matplotlib")  # that it is not installed is an error before any work

    def describe_run(self, images: Sequence[str], model_sha256: str) -> dict[str, Any]:
        """Return all that the results depend on; a run that was interrupted resumes only if it is the same."""
        images = [make_absolute(image, Location()) for image in images]
        options = {name: getattr(self, name) for name in RESULT_OPTIONS}
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
        self.copies, self.explanations = (
            AnnotatedCopies(self.results / name, files, log.digest, bool(log.completed))
            for name in ("classified", "explained")
        )
        files = [path for path in files if make_key(path) not in log.completed]
        with self._start_workers(files) as pool:
            rows_of_files = self._classify_in_order(files, pool)
            progress = {"desc": "  classifying", "unit": "file", **PROGRESS}
            for path, rows in tqdm(rows_of_files, total=len(files), **progress):
                log.add_file(printable(path), rows, make_key(path))

    def _start_workers(self, files: list[Path]) -> ImagePool:
        """Start a process for each processor core, but not more than there are images."""
        n_cores = self.workers or count_cores()
        images = (path for path in files if input_kind(path) == "image")
        n_workers = len(list(islice(images, n_cores)))
        model = self.classifier.path if self.classifier.path.suffix == LITERT_SUFFIX else None
        settings = WorkerSettings(
            {name: getattr(self, name) for name in ("faces", "tta", "min_score", "min_size")},
            model=os.path.abspath(model) if model else None,
            n_threads=n_cores // max(1, n_workers),
            time_limit_s=self.time_limit,
            with_faces=self.charts,
            emotions=self.classifier.emotions,
        )
        return ImagePool(n_workers, settings, self.shared_classifier)

    def _classify_in_order(self, files: list[Path], pool: ImagePool) -> Iterator[tuple[Path, Iterator[Row]]]:
        """Yield each file with its rows, while the workers classify the next images."""
        pending: deque[tuple[Path, Iterator[Row]]] = deque()
        for path in files:
            pending.append((path, self._classify_file(path, pool)))
            if len(pending) > MAX_PENDING * len(pool.workers):
                yield pending.popleft()
        while pending:
            yield pending.popleft()

    def _classify_file(self, path: Path, pool: ImagePool) -> Iterator[Row]:
        """Return a row for each face of a file, and write an annotated copy.

        Raises:
            ValueError, OSError: while the rows are computed, for a file that cannot be read.
        """
        kind = input_kind(path)
        if kind == "video":
            return self._classify_video(path)
        if kind == "csv":
            return self._classify_csv(path)
        is_annotated = self.annotate and self.faces == "detect"
        copy_path = self.copies.copy_path(path) if is_annotated else None
        explanation_path = self.explanations.copy_path(path) if self.explain else None
        return self._list_rows(path, pool.submit(path, copy_path, explanation_path))

    def _list_rows(self, path: Path, future: "Future[ClassifiedImage]") -> Iterator[Row]:
        """Yield the rows of an image as soon as it is classified."""
        while not future.done():
            wait([future], POLL_INTERVAL_S)
        image = future.result()
        for crop, probabilities in image.faces:
            self._add_to_gallery(crop, probabilities, path.name)
        if image.has_copy:
            self.first_copy = self.first_copy or self.copies.published_path(path)
        yield from image.rows

    def _classify_csv(self, path: Path) -> Iterator[Row]:
        crops = csv_reader.read_csv(path, ("pixels",))["pixels"]
        answers = classify_crops(path, crops, self.shared_classifier, self.tta)
        for index, (row, probabilities) in enumerate(answers):
            if probabilities is not None:
                self._add_to_gallery(crops[index], probabilities, f"{path.name}, row {index + 1:,}")
            yield row

    def _classify_video(self, path: Path) -> Iterator[Row]:
        reader = IsolatedVideoReader(path, self.every, self.time_limit)
        max_age = max(MAX_TRACK_AGE_S, 1.5 * (self.every - 1) / reader.fps)  # over one frame that is read
        detector = FaceDetector(live=True, min_score=self.min_score, min_size=self.min_size)
        frame_pipeline = FramePipeline(
            self.shared_classifier, tta=self.tta, smoothing=self.smoothing, max_age=max_age, detector=detector
        )
        copy_notes: list[str] = []
        frames = annotate_video(
            reader,
            frame_pipeline,
            self.copies.copy_path(path) if self.annotate else None,
            on_copy_error=lambda error: copy_notes.append(describe_copy_error(error)),
        )
        progress = {"desc": f"  {printable(path.name)[-30:]}", "unit": "frame", **PROGRESS}
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
        for note in (*reader.notes, *copy_notes):
            print(f"  {printable(path)}: {note}")
            yield {"file": printable(path), "note": note}
        if tracks and self.annotate and self.charts:
            from pipeline.figures import plots

            name = self.copies.chart_path(path).with_suffix("").relative_to(self.results).as_posix()
            chart = plots.plot_emotions_over_time(tracks, self.classifier.emotions)
            plots.save_figure(chart, name, self._figure_source(), is_announced=False)

    def _add_to_gallery(self, pixels: np.ndarray, probabilities: np.ndarray, title: str) -> None:
        if self.charts and len(self.first_faces) < MAX_GALLERY_FACES:
            from pipeline.figures.plots import FacePanel

            title = printable(title)[-MAX_TITLE_LENGTH:]
            self.first_faces.append(FacePanel(pixels, probabilities, title, self.classifier.emotions))

    def save_gallery(self, show: bool = False) -> None:
        """Save a figure of the first faces with their probabilities as results/new_pictures.png.

        Without `charts` or a face, that of the previous run is deleted.
        """
        if not self.first_faces:
            (self.results / f"{GALLERY_NAME}.png").unlink(missing_ok=True)
            return
        from pipeline.figures import plots

        rows = [
            ("" if start else "New images", self.first_faces[start : start + GALLERY_COLUMNS])
            for start in range(0, len(self.first_faces), GALLERY_COLUMNS)
        ]
        plots.save_figure(plots.draw_gallery(rows), GALLERY_NAME, self._figure_source(), show=show)

    def _figure_source(self) -> dict[str, Any]:
        return {"is_sample": False, "label": f"new images, classified by {self.classifier.path.name}"}


def make_key(path: Path) -> str:
    """Return the key of a file in the log, which is the same in a run that is resumed from another folder."""
    return printable(os.path.abspath(path))
