"""Measure how fast FER2013's CSV is read, compared with pandas and a conversion of each row's pixels.

All methods return the same arrays, which is checked. They run alternately, so that changes of the machine's speed
affect all of them.

Run:    python3 benchmarks/reading.py                   Dataset.csv, or 8,000 synthetic faces
        python3 benchmarks/reading.py --csv fer2013.csv --rounds 5
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import run_benchmark

import numpy as np
import pandas as pd

from pipeline.data import csv_reader, fer2013, synthetic_faces
from pipeline.workflow.steps import ROOT

N_SYNTHETIC_FACES = 8000


@dataclass
class Settings:
    csv: str = ""  # file to read; empty: Dataset.csv, or synthetic faces
    rounds: int = 5  # number of times that each method reads it


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(settings.csv) if settings.csv else ROOT / "Dataset.csv"
        if not settings.csv and not path.exists():
            path = write_sample(Path(folder) / "synthetic.csv")
        seconds, n_faces = measure(path, settings.rounds)
    baseline = seconds[read_with_pipeline]
    print(
        f"{path.name}: {n_faces:,} faces, {settings.rounds} rounds; time, and relative to the pipeline's reader"
    )
    for method, times in seconds.items():
        ratios = [time_s / baseline_s for time_s, baseline_s in zip(times, baseline, strict=True)]
        print(f"  {METHODS[method]:<36}{format_spread(times)} s   {format_spread(ratios)} x")


def write_sample(path: Path) -> Path:
    emotion, pixels, usage = synthetic_faces.make_table(N_SYNTHETIC_FACES, seed=0)
    csv_reader.write_csv({"emotion": emotion, "pixels": pixels, "Usage": usage}, path)
    return path


def measure(path: Path, n_rounds: int) -> tuple[dict[Callable, list[float]], int]:
    """Return the seconds that each method took in each round, and the number of faces."""
    seconds: dict[Callable, list[float]] = {method: [] for method in METHODS}
    reference = read_with_pipeline(path)  # also loads the file into the operating system's cache
    for _ in range(n_rounds):
        for method, times in seconds.items():
            start = time.perf_counter()
            pixels = method(path)
            times.append(time.perf_counter() - start)
            assert np.array_equal(pixels, reference), f"{METHODS[method]} read other pixels"
    return seconds, len(reference)


def read_with_pipeline(path: Path) -> np.ndarray:
    return csv_reader.read_csv(path)["pixels"].reshape(-1, fer2013.PIXELS)


def read_with_int(path: Path) -> np.ndarray:
    table = pd.read_csv(path)
    return np.array([[int(value) for value in pixels.split()] for pixels in table["pixels"]], np.uint8)


def read_with_fromstring(path: Path) -> np.ndarray:
    table = pd.read_csv(path)
    return np.stack([np.fromstring(pixels, dtype=np.uint8, sep=" ") for pixels in table["pixels"]])


METHODS: dict[Callable[[Path], np.ndarray], str] = {
    read_with_pipeline: "pipeline.data.csv_reader.read_csv",
    read_with_int: "pandas and int() per value",
}
if hasattr(np, "fromstring"):
    METHODS[read_with_fromstring] = "pandas and numpy.fromstring per row"


def format_spread(values: list[float]) -> str:
    """Return median, minimum and maximum."""
    return f"{statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    run_benchmark(main, Settings)
