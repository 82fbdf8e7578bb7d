"""Step 2: load the faces of FER2013 and check all values.

Without FER2013, the step generates synthetic faces (see pipeline/data/synthetic_faces.py), so that all other steps
can run.

Reads:  Dataset.csv, with columns emotion,pixels,Usage; also as .gz, .xz or .zip, or Kaggle's icml_face_data.csv;
        or a folder with train/<emotion>/*.jpg and test/<emotion>/*.jpg
        With --votes, fer2013new.csv of FER+ (github.com/microsoft/FERPlus): ten people's votes on each row
Writes: data/dataset (emotion, pixels, Usage), source (where they come from) and votes (N, 10), empty without FER+
Run:    python Load_dataSets.py
        python Load_dataSets.py --dataset icml_face_data.csv
        python Load_dataSets.py --votes fer2013new.csv
        python Load_dataSets.py --download
Expect: one to two seconds for FER2013's 301 MB: 28,709 faces for training, 3,589 for validation, 3,589 for test.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.workflow.cli import run_step

import numpy as np
import pandas as pd
from annotated_types import Ge, Le

from pipeline.data import csv_reader, fer2013, image_folder, synthetic_faces
from pipeline.data.fer2013 import COLUMNS, EMOTIONS, SPLITS, USAGES, Table
from pipeline.data.votes import VOTE_COLUMNS, read_votes
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import Seed
from pipeline.workflow.steps import DATA, ROOT

N_PRINTED_ROWS = 5
N_PRINTED_PIXELS = 9


@dataclass
class Settings:
    # FER2013
    dataset: str = ""  # path of a CSV or a folder; empty: Dataset.csv beside this script, if it is there
    votes: str = ""  # path of FER+'s fer2013new.csv, whose rows are those of the CSV; empty: no votes
    download: bool = False  # True: download it from Kaggle (63 MB), once
    kaggle_name: str = "msambare/fer2013"  # the data set on Kaggle to download

    # Synthetic faces
    sample_size: Annotated[int, Ge(300), Le(1_000_000)] = 8000  # number of faces
    seed: Seed = 0  # of the faces, and of the choice of validation faces if a folder has none


def main(settings: Settings, store: ArtifactStore) -> None:
    candidates = list_candidates(settings)
    path = next((candidate for candidate in candidates if candidate.exists()), candidates[0])
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path} is neither a file nor a folder.")
    for candidate in candidates:  # also those that do not exist: one that appears later makes this step stale
        store.add_dependency(candidate)

    is_sample = not path.exists() and not settings.dataset
    if is_sample:
        print(f"  {path.name} not found; generating synthetic faces. See README.md for how to get FER2013.")
        path = write_sample(settings)
    table, note = load(path, settings.seed)
    fer2013.validate_table(table, f"A sample of {settings.sample_size} faces" if is_sample else str(path))

    n_faces = f"{len(table['emotion']):,}"
    label = f"FER2013 ({path.name}, {n_faces} faces)"
    if is_sample:
        label = f"SYNTHETIC SAMPLE, NOT FER2013 ({n_faces} synthetic faces)"
    votes = load_votes(settings.votes, path, is_sample, table, store)
    store.write(dataset=table, source={"label": label, "is_sample": is_sample, "note": note}, votes=votes)
    print_summary(table, label, note)


def list_candidates(settings: Settings) -> list[Path]:
    """Return the files and folders that may have the faces; the first that exists is read."""
    if settings.download:
        return [download(settings.kaggle_name)]
    if settings.dataset:
        return [Path(os.path.expanduser(settings.dataset)).absolute()]
    return [ROOT / f"Dataset.csv{suffix}" for suffix in ("", ".gz", ".xz", ".zip")]


def download(kaggle_name: str) -> Path:
    """Download a data set into kagglehub's cache and return its folder; raise ValueError if that fails."""
    try:
        import kagglehub
    except ImportError as error:
        raise ValueError(
            "download needs kagglehub. Install it with: python -m pip install kagglehub"
        ) from error
    try:
        return Path(kagglehub.dataset_download(kaggle_name))
    except Exception as error:  # kagglehub and its network library raise many types
        raise ValueError(
            f"{kaggle_name} could not be downloaded from Kaggle ({type(error).__name__}: {error}). "
            "Download FER2013 manually, as README.md explains, and save it here as Dataset.csv."
        ) from error


def write_sample(settings: Settings) -> Path:
    """Write synthetic faces as a FER2013 CSV, so that they are loaded in the same way."""
    path = DATA / "synthetic_sample.csv"
    emotion, pixels, usage = synthetic_faces.make_table(settings.sample_size, settings.seed)
    csv_reader.write_csv({"emotion": emotion, "pixels": pixels, "Usage": usage}, path)
    return path


def load(path: Path, seed: int) -> tuple[Table, str]:
    """Return the table of a CSV or a folder, and a note on the faces held out for validation, if any."""
    if path.is_dir():
        return image_folder.read_image_folder(path, seed)
    return csv_reader.read_csv(path), ""


def load_votes(votes: str, data: Path, is_sample: bool, table: Table, store: ArtifactStore) -> np.ndarray:
    """Return the votes (N, 10) uint8 of FER+'s CSV, or (0, 10) if there is none."""
    if not votes:
        return np.zeros((0, len(VOTE_COLUMNS)), np.uint8)
    if is_sample or data.is_dir():
        kind = "synthetic faces" if is_sample else "a folder of images"
        raise ValueError(f"votes belong to the rows of fer2013.csv, but the data set is {kind}. Use the CSV.")
    path = Path(os.path.expanduser(votes)).absolute()
    store.add_dependency(path)
    loaded = read_votes(path, table["Usage"])
    print(f"  {path.name}: votes on {np.count_nonzero(loaded.any(axis=1)):,} of {len(loaded):,} faces")
    return loaded


def print_summary(table: Table, label: str, note: str) -> None:
    """Print the origin of the table, its first rows and the size of each split."""
    print(f"  DATA: {label}")
    if note:
        print(f"  {note}")
    print(f"  {len(table['emotion']):,} rows, {len(COLUMNS)} columns. The first {N_PRINTED_ROWS}:")
    rows = slice(N_PRINTED_ROWS)
    pixels = table["pixels"][rows].reshape(-1, fer2013.PIXELS)[:, :N_PRINTED_PIXELS]
    head = {
        "emotion": [f"{label} ({EMOTIONS[label]})" for label in table["emotion"][rows]],
        "pixels": [" ".join(map(str, values)) + " ..." for values in pixels],
        "Usage": table["Usage"][rows],
    }
    print(pd.DataFrame(head).to_string())
    for usage, counts in zip(USAGES, fer2013.count_faces(table["emotion"], table["Usage"]), strict=True):
        print(f"  {usage:<12}{counts.sum():>7,} faces ({SPLITS[usage]})")


if __name__ == "__main__":
    run_step(main, Settings)
