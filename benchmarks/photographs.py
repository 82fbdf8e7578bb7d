"""Measure how many photographs a second are classified with one worker process and with more, and the memory.

Each round classifies the same photographs with each number of workers and, if it is installed, with the package `fer`
and each of its face detectors, so that changes of the machine's speed affect all of them. With --files, links to a few
small portraits are classified instead, and memory is printed as the run goes on.

Run:    python3 benchmarks/photographs.py                        40 photographs of 1.4 megapixels, made here
        python3 benchmarks/photographs.py --images ~/photos
        python3 benchmarks/photographs.py --files 20000          memory
        python3 -m pip install fer                               to compare with it
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import run_benchmark

import cv2
import numpy as np
from skimage import data as skimage_data
from tqdm import tqdm

from pipeline.data.image_io import read_image
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.file_classifier import FileClassifier
from pipeline.vision.inputs import find_inputs
from pipeline.vision.results_log import ResultsLog
from pipeline.vision.results_table import Row

N_PHOTOGRAPHS, PHOTOGRAPH_SIZE = 40, (1280, 1100)  # width and height in pixels
BACKGROUNDS = ("coffee", "rocket", "chelsea", "brick", "grass")
N_PORTRAITS = 40
N_SAMPLES = 20  # of the memory


@dataclass
class Settings:
    images: str = ""  # folder of photographs; "": some that are made of scikit-image's
    model: str = str(model_zoo.DEFAULT_MODEL)  # the classifier
    workers: tuple[int, ...] = (1, 2)  # numbers of worker processes to compare
    rounds: int = 3  # number of times that each of them classifies the photographs
    annotate: bool = False  # True: write annotated copies, too
    files: int = 0  # number of small files for a measurement of memory; 0: measure the speed


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if settings.files:
            measure_memory(settings, folder)
            return
        photographs = Path(settings.images).expanduser() if settings.images else folder / "photographs"
        if not settings.images:
            write_photographs(photographs)
        compare_speeds(settings, find_inputs([str(photographs)]).files, folder / "results")


# --------------------------------------------------------------------------------------------------
# Photographs
# --------------------------------------------------------------------------------------------------
def write_photographs(folder: Path) -> None:
    """Write JPEG files of one to four faces each, turned by up to 20 degrees, before several backgrounds."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    width, height = PHOTOGRAPH_SIZE
    for number in range(N_PHOTOGRAPHS):
        background = getattr(skimage_data, BACKGROUNDS[number % len(BACKGROUNDS)])()
        scene = cv2.resize(background, (width, height), interpolation=cv2.INTER_CUBIC)
        scene = scene if scene.ndim == 3 else cv2.cvtColor(scene, cv2.COLOR_GRAY2RGB)
        column_width = width // (1 + number % 4)
        for column_left in range(0, width - column_width + 1, column_width):
            side = min(int(rng.uniform(0.06, 0.6) * width), column_width)
            turn = cv2.getRotationMatrix2D((100, 100), rng.uniform(-20, 20), 1)
            turned = cv2.warpAffine(load_portrait(), turn, (200, 200), borderMode=cv2.BORDER_REPLICATE)
            left, top = column_left + rng.integers(column_width - side + 1), rng.integers(height - side + 1)
            scene[top : top + side, left : left + side] = cv2.resize(turned, (side, side))
        cv2.imwrite(str(folder / f"{number:03}.jpg"), cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))


def write_portraits(folder: Path, n_files: int) -> None:
    """Write small portraits of several sizes, and links to them."""
    folder.mkdir()
    for number in range(n_files):
        link = folder / f"{number:07}.jpg"
        if number < N_PORTRAITS:
            portrait = cv2.resize(load_portrait(), (100 + number, 100 + number))
            cv2.imwrite(str(link), cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR))
        else:
            link.symlink_to(folder / f"{number % N_PORTRAITS:07}.jpg")


def load_portrait() -> np.ndarray:
    """Return a photograph of one face, (200, 200, 3) uint8 RGB."""
    return skimage_data.astronaut()[20:220, 120:320]


# --------------------------------------------------------------------------------------------------
# Speed
# --------------------------------------------------------------------------------------------------
def compare_speeds(settings: Settings, files: list[Path], results: Path) -> None:
    """Print the photographs per second of each number of workers and of `fer` with each of its detectors."""
    megapixels = statistics.mean(np.prod(read_image(path).file_size) / 1e6 for path in files)
    print(f"{len(files)} photographs of {megapixels:.1f} megapixels on average, {settings.rounds} rounds")
    methods = {f"{n} worker{'s' * (n > 1)}": FilesClassifier(settings, n, results) for n in settings.workers}
    methods |= load_fer()
    speeds: dict[str, list[float]] = {name: [] for name in methods}
    n_faces = {}
    for _ in range(settings.rounds):
        for name, classify in methods.items():
            start = time.perf_counter()
            n_faces[name] = classify(files)
            speeds[name].append(len(files) / (time.perf_counter() - start))
    (first, baseline), *_ = speeds.items()
    print(f"photographs per second: median (range); ratio to {first}; faces; load {os.getloadavg()[0]:.1f}")
    for name, values in speeds.items():
        ratios = [value / other for value, other in zip(values, baseline, strict=True)]
        print(
            f"  {name:<18} {statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"
            f"  {statistics.median(ratios):5.2f}  {n_faces[name]:4}"
        )


class ReportingLog(ResultsLog):
    """A log that calls `on_progress` with the number of completed files after every `interval` of them."""

    on_progress: Callable[[int], None] | None = None
    interval = 1

    def add_file(self, name: str, rows: Iterable[Row], key: str = "") -> None:
        super().add_file(name, rows, key)
        if self.on_progress and len(self.completed) % self.interval == 0:
            self.on_progress(len(self.completed))


class FilesClassifier:
    """Classify files with a number of worker processes, and return the number of faces."""

    def __init__(self, settings: Settings, n_workers: int, results: Path):
        classifier = EmotionClassifier(settings.model)
        self.results = results
        self.file_classifier = FileClassifier(
            classifier, annotate=settings.annotate, workers=n_workers, results=results
        )

    def __call__(self, files: list[Path], on_progress: Callable[[int], None] | None = None) -> int:
        with ReportingLog(self.results / "classification", {}) as log:
            log.on_progress, log.interval = on_progress, max(1, len(files) // N_SAMPLES)
            self.file_classifier.classify_files(files, log)
            n_faces = sum("emotion" in row for row in log.rows())
            self.file_classifier.copies.discard()
            log.discard()
        return n_faces


def load_fer() -> dict[str, Callable[[list[Path]], int]]:
    """Return functions that classify files with `fer` and return the number of faces; none without the package."""
    try:
        import facenet_pytorch  # noqa: F401  PyTorch cannot be imported after TensorFlow, which `fer` imports
        from fer.fer import FER
    except ImportError as error:
        print(f"(without fer: {error})")
        return {}

    def count_faces(detector: FER, files: list[Path]) -> int:
        return sum(len(detector.detect_emotions(cv2.imread(str(path)))) for path in files)

    return {
        "fer, Haar cascade": partial(count_faces, FER()),
        "fer, MTCNN": partial(count_faces, FER(mtcnn=True)),
    }


# --------------------------------------------------------------------------------------------------
# Memory
# --------------------------------------------------------------------------------------------------
def measure_memory(settings: Settings, folder: Path) -> None:
    """Classify links to small photographs, and print the memory after every twentieth of the files."""
    write_portraits(folder / "portraits", settings.files)
    classify = FilesClassifier(settings, max(settings.workers), folder / "results")
    files = find_inputs([str(folder / "portraits")]).files
    print(f"{len(files):,} files; resident memory in MB of this process, and of the largest worker process")
    n_faces = classify(files, on_progress=print_memory)
    print(f"{n_faces:,} faces")


def print_memory(n_completed: int) -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    memory = [resident_memory(process_id) for process_id in (os.getpid(), *children)]
    tqdm.write(f"  {n_completed:7,} files  {memory[0]:6.1f}  {max(memory[1:], default=0):6.1f}")


def resident_memory(process_id: int | str) -> float:
    """Return the resident memory of a process on Linux, in MB."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    run_benchmark(main, Settings)
