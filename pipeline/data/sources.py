"""Find the data set: a CSV, an archive or folders of images, named by the user or beside run.py."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.data.csv_file import CSV_ENDINGS, FER2013_STEMS, NoCsvError, find_csv, stem
from pipeline.data.csv_reader import has_columns, read_csv
from pipeline.data.emotions import ALL_EMOTIONS, EmotionSelection
from pipeline.data.fer2013 import USAGES, Table, parse_usage
from pipeline.data.image_archive import extract_images, list_images
from pipeline.data.image_folder import find_images, find_label, read_image_folder
from pipeline.data.splits import sort_by_split

# Where data sets are looked for beside run.py, the first preferred.
NAMES = ("Dataset", "fer2013", "icml_face_data")
ENDINGS = (".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zip", ".zip", ".tar.gz", ".tgz", ".tar")
OTHER_FILES = (
    "challenges-in-representation-learning-facial-expression-recognition-challenge.zip",  # Kaggle's, of 2013
    "train.csv",  # of the same competition
)
IMAGE_ARCHIVE = "archive.zip"  # the name that Kaggle gives all archives
SPLIT_FOLDERS = ("train", "test")

DataForm = Literal["CSV", "CSV files of the splits", "images"]


@dataclass(frozen=True)
class DataSource:
    """Where a data set is.

    Attributes:
        path: A CSV, an archive that has one, or a folder.
        parts: The folders of images, or the CSV files of the splits, if not all of the folder `path` is read.
        note: What was passed over, may be empty.
    """

    path: Path
    parts: tuple[Path, ...] = ()
    note: str = ""

    @property
    def dependencies(self) -> tuple[Path, ...]:
        """What is read."""
        return self.parts or (self.path,)

    @property
    def name(self) -> str:
        """A short name for messages."""
        return " and ".join(f"{path.name}/" if path.is_dir() else path.name for path in self.dependencies)

    def read(self, emotions: EmotionSelection = ALL_EMOTIONS) -> tuple[Table, str, DataForm]:
        """Return the table, a note on what was passed over, which may be empty, and the form that was read.

        The table has the faces of emotions that are to be left out, too.
        """
        if self.parts and self.parts[0].is_file():
            return _read_split_files(self.parts, emotions), self.note, "CSV files of the splits"
        if self.path.is_dir():
            return *read_image_folder(self.path, self.parts, emotions), "images"
        try:
            return _add_origin(read_csv(self.path, emotions=emotions)), self.note, "CSV"
        except NoCsvError:
            return *_read_image_archive(self.path, emotions), "images"


def resolve(path: Path, emotions: EmotionSelection = ALL_EMOTIONS) -> DataSource:
    """Return the data set at a path that the user names: a file, or a folder with a CSV or images in it.

    A CSV with one of FER2013's names is preferred to images, and images to another CSV.

    Raises:
        ValueError: If the path is neither a file nor a folder, or has several CSV files with unknown names.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):  # opening a pipe would block
        raise ValueError(f"{path} is neither a file nor a folder.")
    if not path.is_dir():
        return DataSource(path)
    csv_path = find_csv(path, FER2013_STEMS)
    if csv_path is None and not _has_images(path, emotions):
        csv_path = find_csv(path)
    return _add_split_files(csv_path) if csv_path else DataSource(path)


def list_candidates(root: Path) -> list[Path]:
    """Return the files and folders beside run.py that may be a data set, existing or not, the first preferred."""
    existing = {path.name.lower(): path for path in sorted(root.iterdir())}
    files = [f"{name}{ending}" for name in NAMES for ending in ENDINGS]
    names = [*files, *OTHER_FILES, *NAMES, *SPLIT_FOLDERS, IMAGE_ARCHIVE]
    return [existing.get(name.lower(), root / name) for name in names]


def find_beside(root: Path, emotions: EmotionSelection = ALL_EMOTIONS) -> list[DataSource]:
    """Return the data sets among `list_candidates`, the first preferred."""
    return list(_find_beside(root, emotions))


def _find_beside(root: Path, emotions: EmotionSelection) -> Iterator[DataSource]:
    split_folders = tuple(path for path in sorted(root.iterdir()) if path.is_dir() and parse_usage(path.name))
    for path in list_candidates(root):
        if path.name.lower() in (*SPLIT_FOLDERS, IMAGE_ARCHIVE):
            continue
        if path.is_file() or (path.is_dir() and (find_csv(path) or _has_images(path, emotions))):
            yield _add_split_files(path) if path.is_file() else resolve(path, emotions)
    if split_folders and _has_images(root, emotions, split_folders):
        yield DataSource(root, split_folders)
    images = list_images(root / IMAGE_ARCHIVE) if (root / IMAGE_ARCHIVE).is_file() else []
    labels = (find_label(name.split("/")[:-1], emotions) for name in images)
    if any(label is not None and emotions.is_chosen(label) for label in labels):
        yield DataSource(root / IMAGE_ARCHIVE)


def _add_split_files(path: Path) -> DataSource:
    """Return a CSV as a data set; if it is train.csv without Usage, with val.csv and test.csv beside it."""
    if parse_usage(stem(path.name)) != "Training" or not path.name.lower().endswith(CSV_ENDINGS):
        return DataSource(path)
    if not has_columns(path, ("emotion", "pixels")) or has_columns(path, ("emotion", "pixels", "Usage")):
        return DataSource(path)
    others = [
        other
        for other in sorted(path.parent.iterdir())
        if other.is_file()
        and other.name.lower().endswith(CSV_ENDINGS)
        and parse_usage(stem(other.name)) in USAGES[1:]
    ]
    labeled = [other for other in others if has_columns(other, ("emotion", "pixels"))]
    if len({parse_usage(stem(other.name)) for other in labeled}) < len(labeled):
        names = ", ".join(other.name for other in labeled)
        raise ValueError(f"{path.parent} has several files for the same split among {names}. Move one away.")
    unlabeled = " and ".join(other.name for other in others if other not in labeled)
    note = f"Passed over, because the faces have no labels: {unlabeled}." if unlabeled else ""
    return DataSource(path.parent, (path, *labeled), note) if labeled else DataSource(path, note=note)


def _read_split_files(paths: tuple[Path, ...], emotions: EmotionSelection) -> Table:
    """Read a CSV for each split, whose name says which one it is."""
    tables = []
    for path in paths:
        table = _add_origin(read_csv(path, ("emotion", "pixels"), emotions), f"{path.name}:")
        tables.append(table | {"Usage": np.full(len(table["emotion"]), parse_usage(stem(path.name)))})
    return sort_by_split({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})


def _add_origin(table: Table, prefix: str = "") -> Table:
    """Return the table of a CSV with the column origin: the number of each row, behind a prefix."""
    numbers = range(1, len(table["emotion"]) + 1)
    return table | {"origin": np.array([f"{prefix}{number}" for number in numbers])}


def _read_image_archive(path: Path, emotions: EmotionSelection) -> tuple[Table, str]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / path.name
        if not extract_images(path, folder):
            raise NoCsvError(f"{path} contains neither a CSV of faces nor images.")
        return read_image_folder(folder, emotions=emotions)


def _has_images(root: Path, emotions: EmotionSelection, folders: tuple[Path, ...] = ()) -> bool:
    return any(emotions.is_chosen(label) for _, _, label in find_images(root, folders, emotions))
