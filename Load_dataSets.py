"""Step 2: load the faces of FER2013 and check all values.

Without FER2013, the step generates synthetic faces (see pipeline/data/synthetic_faces.py), so that all other steps
can run.

Reads:  Dataset.csv, fer2013.csv or icml_face_data.csv, with columns emotion,pixels,Usage; also compressed or in an
        archive; or folders of images such as train/<emotion>/*.jpg and test/<emotion>/*.jpg. docs/training.md has more.
        With --votes, fer2013new.csv of FER+ (github.com/microsoft/FERPlus): ten people's votes on each row
Writes: data/dataset (emotion, pixels, Usage), emotions (their names), source (where they come from) and votes (N, 10),
        empty without FER+
Run:    python3 Load_dataSets.py
        python3 Load_dataSets.py --dataset path/to/a/file/or/folder
        python3 Load_dataSets.py --dataset train.csv --split 80 10 10
        python3 Load_dataSets.py --dataset faces/ --emotions angry happy contempt
        python3 Load_dataSets.py --votes download
        python3 Load_dataSets.py --download
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

from pipeline.data import csv_reader, fer2013, sources, synthetic_faces
from pipeline.data.emotions import EmotionNames, EmotionSelection
from pipeline.data.fer2013 import COLUMNS, SPLITS, USAGES, Emotions, Table
from pipeline.data.image_formats import IMAGE_EXTENSIONS
from pipeline.data.sources import DataSource
from pipeline.data.splits import Percentages, fill_splits
from pipeline.data.votes import VOTE_COLUMNS, check_voted, read_votes
from pipeline.data.votes_download import download_votes
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import FilePath, Location, Seed
from pipeline.workflow.steps import DATA, ROOT

N_PRINTED_ROWS = 5
N_PRINTED_PIXELS = 9
VotesPath = Annotated[str, Location(("download",))]


@dataclass
class Settings:
    # FER2013
    dataset: FilePath = ""  # path of a CSV, an archive or a folder; empty: what is beside this script
    emotions: EmotionNames = ()  # such as angry happy contempt, others are left out; empty: FER2013's seven
    split: Percentages = (80, 10, 10)  # percent of train, validation, test, where a split is missing
    votes: VotesPath = ""  # path of FER+'s fer2013new.csv, whose rows are the CSV's; "download"; empty: none
    download: bool = False  # True: download it from Kaggle (63 MB), once
    kaggle_name: str = "msambare/fer2013"  # the data set on Kaggle to download

    # Synthetic faces
    sample_size: Annotated[int, Ge(300), Le(1_000_000)] = 8000  # number of faces
    seed: Seed = 0  # of the synthetic faces, and of the choice of faces for a missing split


def main(settings: Settings, store: ArtifactStore) -> None:
    selection = EmotionSelection(settings.emotions)
    source = find_source(settings, selection, store)
    is_sample = source is None
    if source is None:
        print("  FER2013 not found; generating synthetic faces. See README.md for how to get FER2013.")
        source = DataSource(write_sample(settings, selection.names))
    for path in source.dependencies:
        store.add_dependency(path, IMAGE_EXTENSIONS)
    table, passed_over, form = source.read(selection)
    kind = "synthetic faces" if is_sample else form
    votes = load_votes(settings.votes, kind, table, selection.names, store)
    columns, left_out = selection.drop_others(table | ({"votes": votes} if len(votes) else {}))
    table, held_out = fill_splits(columns, settings.split, settings.seed, source.name, selection.names)
    votes = table.pop("votes", votes)
    origin = f"A sample of {settings.sample_size} faces" if is_sample else str(source.path)
    fer2013.validate_table(table, origin, selection.names)

    label = fer2013.name_data_set(table["emotion"], source.name, selection.names)
    if is_sample:
        size = fer2013.describe_size(len(table["emotion"]), "synthetic face", selection.names)
        label = f"SYNTHETIC SAMPLE, NOT FER2013 ({size})"
    note = " ".join(filter(None, (passed_over, left_out, held_out)))
    source_facts = {"label": label, "is_sample": is_sample, "note": note}
    store.write(dataset=table, emotions=selection.names, source=source_facts, votes=votes)
    print_summary(table, selection.names, label, note)


def find_source(settings: Settings, selection: EmotionSelection, store: ArtifactStore) -> DataSource | None:
    """Return where the data set is: as the settings say, or beside run.py; None without one."""
    if settings.download:
        return sources.resolve(download(settings.kaggle_name), selection)
    if settings.dataset:
        return sources.resolve(Path(os.path.expanduser(settings.dataset)).absolute(), selection)
    found = sources.find_beside(ROOT, selection)
    for path in sources.list_candidates(ROOT):  # a preferred one that appears later makes this step stale
        if found and path in (found[0].path, *found[0].parts):
            break
        if not path.exists():
            store.add_dependency(path)
    if len(found) > 1:
        others = ", ".join(source.name for source in found[1:])
        print(f"  reading {found[0].name}; passed over: {others}. Choose with --dataset.")
    return found[0] if found else None


def download(kaggle_name: str) -> Path:
    """Download a data set into kagglehub's cache and return its folder; raise ValueError if that fails."""
    try:
        import kagglehub
    except ImportError as error:
        raise ValueError(
            "download needs kagglehub. Install it with: python3 -m pip install kagglehub"
        ) from error
    try:
        return Path(kagglehub.dataset_download(kaggle_name))
    except Exception as error:  # kagglehub and its network library raise many types
        raise ValueError(
            f"{kaggle_name} could not be downloaded from Kaggle ({type(error).__name__}: {error}). "
            "Download FER2013 manually, as README.md explains, and save it here as Dataset.csv."
        ) from error


def write_sample(settings: Settings, emotions: Emotions) -> Path:
    """Write synthetic faces as a FER2013 CSV, so that they are loaded in the same way."""
    synthetic_faces.check_drawable(emotions)
    path = DATA / "synthetic_sample.csv"
    emotion, pixels, usage = synthetic_faces.make_table(settings.sample_size, settings.seed)
    csv_reader.write_csv({"emotion": emotion, "pixels": pixels, "Usage": usage}, path)
    return path


def load_votes(votes: str, kind: str, table: Table, emotions: Emotions, store: ArtifactStore) -> np.ndarray:
    """Return the votes (N, 10) uint8 of FER+'s CSV, or (0, 10) if there is none; `kind` is what the table was."""
    if not votes:
        return np.zeros((0, len(VOTE_COLUMNS)), np.uint8)
    if kind != "CSV" or "Usage" not in table:
        kind = "a CSV without Usage" if kind == "CSV" else kind
        raise ValueError(
            f"votes belong to the rows of fer2013.csv, but the data set is {kind}. Use that CSV."
        )
    check_voted(emotions)
    path = Path(os.path.expanduser(votes)).absolute()
    if votes == "download":
        path = download_votes(ROOT / "fer2013new.csv")
    store.add_dependency(path)
    loaded = read_votes(path, table["Usage"])
    print(f"  {path.name}: votes on {np.count_nonzero(loaded.any(axis=1)):,} of {len(loaded):,} faces")
    return loaded


def print_summary(table: Table, emotions: Emotions, label: str, note: str) -> None:
    """Print the origin of the table, its first rows and the size of each split."""
    print(f"  Data: {label}")
    if note:
        print(f"  {note}")
    print(f"  {len(table['emotion']):,} rows, {len(COLUMNS)} columns. The first {N_PRINTED_ROWS}:")
    rows = slice(N_PRINTED_ROWS)
    pixels = table["pixels"][rows].reshape(-1, fer2013.PIXELS)[:, :N_PRINTED_PIXELS]
    head = {
        "emotion": [f"{label} ({emotions[label]})" for label in table["emotion"][rows]],
        "pixels": [" ".join(map(str, values)) + " ..." for values in pixels],
        "Usage": table["Usage"][rows],
    }
    print(pd.DataFrame(head).to_string())
    for usage, counts in zip(
        USAGES, fer2013.count_faces(table["emotion"], table["Usage"], emotions), strict=True
    ):
        print(f"  {usage:<12}{counts.sum():>7,} faces ({SPLITS[usage]})")


if __name__ == "__main__":
    run_step(main, Settings)
