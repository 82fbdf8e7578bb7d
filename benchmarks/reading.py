"""How much faster the CSV is read than in the plain way: pandas, then a list of ints per row.

Both give the same arrays, which is checked. They take turns, so that a change of the machine's speed meets both.
Run:    python benchmarks/reading.py            (Dataset.csv, else 8,000 drawn faces)
        python benchmarks/reading.py --csv fer2013.csv --rounds 5
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
import tyro

from pipeline.data import csv_reader, fer2013, synthetic_faces
from pipeline.workflow.steps import ROOT


@dataclass
class Settings:
    csv: str = ""  # the file to read; empty: Dataset.csv, else a drawn one
    rounds: int = 5  # times that each way reads it


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(settings.csv) if settings.csv else ROOT / "Dataset.csv"
        if not settings.csv and not path.exists():
            path = Path(folder) / "drawn.csv"
            emotion, pixels, usage = synthetic_faces.make_table(8000, seed=0)
            csv_reader.write_csv({"emotion": emotion, "pixels": pixels, "Usage": usage}, path)
        ways = {"pipeline.dataset.read_csv": read_here, "pandas and int() per value": read_plainly}
        if hasattr(np, "fromstring"):
            ways["pandas and numpy.fromstring per row"] = read_with_fromstring
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        reference = read_here(path)
        for _ in range(settings.rounds):
            for name, read in ways.items():
                took, pixels = timed(read, path)
                seconds[name].append(took)
                assert np.array_equal(pixels, reference), f"{name} reads something else"
    ours = seconds["pipeline.dataset.read_csv"]
    print(
        f"{path.name}: {len(reference):,} faces, {settings.rounds} rounds; seconds, and times as long as ours"
    )
    for name, theirs in seconds.items():
        ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
        print(f"  {name:<36}{spread(theirs)} s   {spread(ratios)} x")


def timed(read: Callable[[Path], np.ndarray], path: Path) -> tuple[float, np.ndarray]:
    started = time.perf_counter()
    pixels = read(path)
    return time.perf_counter() - started, pixels


def read_here(path: Path) -> np.ndarray:
    return csv_reader.read_csv(path)["pixels"].reshape(-1, fer2013.PIXELS)


def read_plainly(path: Path) -> np.ndarray:
    table = pd.read_csv(path)
    return np.array([[int(value) for value in pixels.split()] for pixels in table["pixels"]], np.uint8)


def read_with_fromstring(path: Path) -> np.ndarray:
    table = pd.read_csv(path)
    return np.stack([np.fromstring(pixels, dtype=np.uint8, sep=" ") for pixels in table["pixels"]])


def spread(values: list[float]) -> str:
    """Median, and least to most."""
    return f"{statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
