"""Step 2: load the FER2013 faces, every value checked.

Takes Dataset.csv where it is there (columns emotion,pixels,Usage; also .gz, .xz or .zip, or Kaggle's
icml_face_data.csv), or a folder with train/<emotion>/*.jpg and test/<emotion>/*.jpg. Where there is neither,
faces are drawn to stand in for FER2013: see pipeline/sample.py.
Writes data/dataset (emotion, pixels, Usage) and data/source (where they come from).
Run:    python Load_dataSets.py
        python Load_dataSets.py --dataset icml_face_data.csv
Expect: one to two seconds for FER2013's 301 MB.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.workflow.cli import run_step

import numpy as np

from pipeline.data import csv_reader, fer2013, image_folder, synthetic_faces
from pipeline.data.fer2013 import COLUMNS, EMOTIONS, SPLITS, USAGES, Table
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import DATA, ROOT


@dataclass
class Settings:
    dataset: str = ""  # a CSV or a folder; empty: Dataset.csv in the project's folder, else the drawn sample
    download: bool = False  # True: fetch FER2013 through kagglehub (63 MB, from kaggle.com), once
    kaggle_name: str = "msambare/fer2013"  # which of Kaggle's data sets to fetch
    sample_size: int = 8000  # faces to draw where there is no data set; at least 300
    seed: int = 0  # of the drawn sample, and of the tenth held out where a folder has no validation split


def main(settings: Settings, store: ArtifactStore) -> None:
    candidates = where_the_faces_may_be(settings)
    path = next((candidate for candidate in candidates if candidate.exists()), candidates[0])
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path} is neither a file nor a folder.")
    for candidate in candidates:  # the others too: one of them may appear later
        store.add_dependency(candidate)
    if path.exists() or settings.dataset:
        table, note = load(path, settings.seed)
        name, label = "FER2013", f"FER2013 ({path.name}, {len(table['emotion']):,} faces)"
    else:
        print(f"  {path.name} is not there, so the faces are drawn. To use FER2013, see the README.")
        table, note = load(draw_sample(settings), settings.seed)
        name, label = "DRAWN SAMPLE", f"DRAWN SAMPLE, NOT FER2013 ({len(table['emotion']):,} drawn faces)"
    fer2013.validate_table(
        table, str(path) if name == "FER2013" else f"A sample of {settings.sample_size} faces"
    )

    source = {"name": name, "label": label, "is_sample": name != "FER2013", "file": path.name, "note": note}
    store.write(dataset=table, source=source | {"rows": len(table["emotion"])})

    print(f"  DATA: {label.upper()}")
    if note:
        print(f"  {note}")
    print(f"  {len(table['emotion']):,} rows, {len(COLUMNS)} columns. The first five:")
    print_first_rows(table, 5)
    for usage, counts in zip(USAGES, fer2013.count_faces(table["emotion"], table["Usage"]), strict=True):
        print(f"  {usage:<12}{counts.sum():>7,} faces ({SPLITS[usage]})")


def where_the_faces_may_be(settings: Settings) -> list[Path]:
    """Files and folders, the first that is there to be read; there may be none."""
    if settings.download:
        return [download(settings.kaggle_name)]
    if settings.dataset:
        return [Path(os.path.expanduser(settings.dataset)).absolute()]
    return [ROOT / f"Dataset.csv{ending}" for ending in ("", ".gz", ".xz", ".zip")]


def load(path: Path, seed: int) -> tuple[Table, str]:
    """The table, and a sentence on what was held out from it, if anything was."""
    if path.is_dir():
        return image_folder.read_image_folder(path, seed)
    return csv_reader.read_csv(path), ""


def draw_sample(settings: Settings) -> Path:
    """Draw the sample and write it in FER2013's form, so that it takes the same way as the real thing."""
    path = DATA / "drawn_sample.csv"
    emotion, pixels, usage = synthetic_faces.make_table(settings.sample_size, settings.seed)
    csv_reader.write_csv({"emotion": emotion, "pixels": pixels, "Usage": usage}, path)
    return path


def download(kaggle_name: str) -> Path:
    """Fetch the data set into kagglehub's own cache; raises ValueError where that fails."""
    try:
        import kagglehub
    except ImportError as error:
        raise ValueError(
            "download needs kagglehub. Install it with: python -m pip install kagglehub"
        ) from error
    try:
        return Path(kagglehub.dataset_download(kaggle_name))
    except Exception as error:  # whatever kagglehub and its network library may raise
        raise ValueError(
            f"{kaggle_name} could not be fetched from Kaggle ({type(error).__name__}: {error}). "
            "Fetch FER2013 by hand as the README says and put it here as Dataset.csv."
        ) from error


def print_first_rows(table: Table, rows: int) -> None:
    import pandas as pd

    first = {
        "emotion": [f"{label} ({EMOTIONS[label]})" for label in table["emotion"][:rows]],
        "pixels": [" ".join(map(str, pixels.ravel()[:9])) + " ..." for pixels in table["pixels"][:rows]],
        "Usage": np.asarray(table["Usage"][:rows]),
    }
    print(pd.DataFrame(first).to_string())


if __name__ == "__main__":
    run_step(main, Settings)
