"""Step 12: report the metrics of each emotion on the test split; or classify the faces in new images.

Reads:  data/predictions, source, test_x; with --explain trained_model
        with --images: the named images, videos, folders, patterns, CSV files of faces
Writes: results/classification_report.json, examples.png (correct and wrong predictions of the test split)
        with --images: classification.csv (one row per face), classified/ (annotated copies), each in place of the
        previous run's
        with --explain: saliency maps, saliency.png, saliency_by_emotion.png, saliency.json; of images explained/
        with --charts: new_pictures.png (the first faces), and beside each annotated video its emotions over time
Run:    python3 Classification.py
        python3 Classification.py --images me.png ~/photos holiday.mp4 more_faces.csv
        python3 Classification.py --images faces/ --faces crop --model models/Compact.tflite --formats csv parquet
Expect: the highest recall for Happy and Surprise, the lowest for Fear. A new image takes a fifth of a second, a video
about as long as it plays. An interrupted run over many images resumes with the same command.
"""

from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Literal

from pipeline.workflow.cli import run_step

import numpy as np
from annotated_types import Ge, Le, MinLen

from pipeline.figures.formats import FigureFormats
from pipeline.figures.viewer import open_file
from pipeline.models import model_zoo
from pipeline.vision.file_classifier import RESULT_OPTIONS, FileClassifier
from pipeline.vision.image_classifier import FaceSource
from pipeline.vision.inputs import find_inputs
from pipeline.vision.recognition import load_classifier
from pipeline.vision.results_log import ResultsLog
from pipeline.vision.results_summary import summarize_results
from pipeline.vision.results_table import TableFormat, check_formats
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.fingerprint import compute_fingerprint
from pipeline.workflow.formatting import format_count, relative_to_root
from pipeline.workflow.results_index import record_network
from pipeline.workflow.settings import FilePath, ModelPath, NonNegativeFloat, OneRun, PositiveInt, Seed
from pipeline.workflow.steps import RESULTS

if TYPE_CHECKING:  # new images need neither Matplotlib nor scikit-learn, which take seconds to start
    from pipeline.evaluation.metrics import Predictions
    from pipeline.figures.plots import FacePanel


@dataclass
class Settings:
    # New images
    images: tuple[FilePath, ...] = ()  # images, videos, CSVs of faces, folders, patterns; none: the report
    faces: FaceSource = "detect"  # crop: each image is one tightly cropped face
    model: ModelPath = ""  # saved network, or data for the one trained there; "": models/Compact_votes
    trust: bool = False  # True: load a SavedModel without a model card, which can do what its author wants
    min_score: Annotated[float, Ge(0.3), Le(1)] = 0.7  # of a detected face; less finds more, also wrong
    min_size: Annotated[int, Ge(20)] = 20  # pixels: longer side of a face
    tta: Literal[1, 2, 18] = 2  # views of each face to average over: 2 adds the mirror image, 18 also shifts
    smoothing: NonNegativeFloat = 0.4  # seconds: time constant of the moving average in a video; 0: none
    every: PositiveInt = 1  # classify every n-th frame of a video; 1: all of them
    annotate: bool = True  # False: no annotated copies of images and videos
    charts: bool = False  # True: also figures of the first faces and of the emotions over time in a video
    explain: bool = False  # True: also saliency maps, of test faces or of those in images; takes longer
    formats: Annotated[tuple[TableFormat, ...], MinLen(1)] = ("csv",)  # of the table: csv, jsonl, parquet
    workers: Annotated[int, Ge(0)] = 0  # processes for images, up to 1 GB each; 0: one per processor core
    time_limit: Annotated[float, Ge(1)] = 60  # seconds: for an image, or until a video's next frame
    resume: OneRun[bool] = True  # False: an interrupted run over the same images starts from scratch

    # Test split
    examples: Annotated[int, Ge(1), Le(12)] = 7  # correct and wrong predictions in the figure, 1 to 12 each
    seed: Seed = 0  # of their random choice

    figures: FigureFormats = ("png",)  # formats of the figures: png svg pdf; the report shows png
    show: bool = False  # True: open the figures and the first annotated image if there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    if names_images(settings):
        with store.lock():  # the results of two runs are in the same files
            classify_images(settings, store)
    else:
        report_test_split(settings, store)


def names_images(settings: Settings) -> bool:
    """Return whether this run classifies new images; it is not recorded as a run of step 12 then."""
    return any(settings.images)


# --------------------------------------------------------------------------------------------------
# Test split
# --------------------------------------------------------------------------------------------------
def report_test_split(settings: Settings, store: ArtifactStore) -> None:
    """Print and save precision, recall and F1 of each emotion, and a figure of examples."""
    from sklearn.metrics import classification_report

    from pipeline.evaluation.metrics import Predictions
    from pipeline.evaluation.metrics_table import format_emotions
    from pipeline.figures import plots

    predictions = Predictions(**store.read("predictions")["test"])
    source, faces = store.read("source", track=False), store.read("test_x")
    options = {"labels": predictions.classes, "target_names": predictions.emotions, "zero_division": 0}
    report = classification_report(predictions.labels, predictions.predicted, output_dict=True, **options)
    print(format_emotions(report))
    with record_network(store, "classification_report.json"):
        write_json(
            RESULTS / "classification_report.json", {"data": source["label"], "split": "test", **report}
        )
    print("  table: results/classification_report.json")

    rng = np.random.default_rng(settings.seed)
    groups = []
    for heading, mask in (("Correct", predictions.correct), ("Wrong", ~predictions.correct)):
        rows = rng.choice(np.flatnonzero(mask), min(settings.examples, mask.sum()), replace=False)
        groups.append((f"{heading}: {mask.sum():,} of {format_count(len(mask), 'test face')}", rows))
    panels = [(heading, [to_panel(faces, predictions, row) for row in rows]) for heading, rows in groups]
    plots.save_figure(plots.draw_gallery(panels), "examples", source, settings.figures, settings.show, store)
    if settings.explain:
        from pipeline.evaluation.saliency_report import explain_test_split  # starts Keras

        explain_test_split(store, predictions, faces, groups, settings.figures, settings.seed)


def to_panel(faces: np.ndarray, predictions: "Predictions", row: int) -> "FacePanel":
    """Return the panel of one face."""
    from pipeline.figures.plots import FacePanel, title_of

    emotions = predictions.emotions
    title = title_of(emotions[predictions.labels[row]], emotions[predictions.predicted[row]])
    return FacePanel(faces[row], predictions.probabilities[row], title, emotions)


# --------------------------------------------------------------------------------------------------
# New images
# --------------------------------------------------------------------------------------------------
def classify_images(settings: Settings, store: ArtifactStore) -> None:
    """Classify the faces of all files; write the tables and the annotated copies."""
    images = [image for image in settings.images if image]
    check_formats(settings.formats)
    inputs = find_inputs(images)
    files, skipped = inputs.files, inputs.describe_skipped()
    if skipped:
        print(f"  neither image, video nor CSV: {skipped}")
    if not files:
        raise ValueError(f"No image, video or CSV file found in {shorten(', '.join(images), 100)}.")
    classifier = load_classifier(settings.model, store, model_zoo.DEFAULT_MODEL, trust=settings.trust)
    model_sha256 = store.inputs.get("trained_model") or compute_fingerprint(classifier.path)["sha256"]
    options = {name: getattr(settings, name) for name in (*RESULT_OPTIONS, "workers", "time_limit")}
    file_classifier = FileClassifier(classifier, **options)
    metadata = file_classifier.describe_run(images, model_sha256)
    with ResultsLog(RESULTS / "classification", metadata, settings.resume, classifier.emotions) as log:
        file_classifier.classify_files(files, log)
        summary = summarize_results(log.rows())
        for line in summary.lines():
            print(f"  {line}")
        if summary.is_empty:  # keep the tables of the previous run
            log.discard()
            file_classifier.copies.discard()
            file_classifier.explanations.discard()
            raise ValueError(f"None of the {format_count(len(files), 'file')} could be read.")
        file_classifier.copies.publish()
        file_classifier.explanations.publish()
        tables = [f"classification.{name}" for name in settings.formats]
        with record_network(store, *tables, digests={"classifier": model_sha256}):
            log.finish(settings.formats)
    print(f"  table: {', '.join(f'results/{table}' for table in tables)}")
    if settings.annotate and settings.faces == "detect" and summary.emotions:
        copy = file_classifier.first_copy if len(files) == 1 else None
        print(f"  annotated: {relative_to_root(copy) if copy else 'results/classified/'}")
    if settings.explain and summary.emotions:
        print("  saliency maps: results/explained/")
    if settings.show and file_classifier.first_copy:
        open_file(file_classifier.first_copy)
    file_classifier.save_gallery(settings.show)


if __name__ == "__main__":
    run_step(main, Settings, setup=lambda settings: not names_images(settings))
