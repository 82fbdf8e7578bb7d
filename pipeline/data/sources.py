"""Find the data set: a CSV, an archive or folders of images, named by the user or beside run.py."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.data.csv_file import FER2013_STEMS, NoCsvError, find_csv
from pipeline.data.csv_reader import read_csv
from pipeline.data.fer2013 import Table, parse_usage
from pipeline.data.image_archive import extract_images, list_images
from pipeline.data.image_folder import find_images, find_label, read_image_folder

# Where data sets are looked for beside run.py, the first preferred.
NAMES = ("Dataset", "fer2013", "icml_face_data")
ENDINGS = (".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zip", ".zip", ".tar.gz", ".tgz", ".tar")
OTHER_FILES = (
    "challenges-in-representation-learning-facial-expression-recognition-challenge.zip",  # Kaggle's, of 2013
    "train.csv",  # of the same competition
)
IMAGE_ARCHIVE = "archive.zip"  # the name that Kaggle gives all archives
SPLIT_FOLDERS = ("train", "test")

DataForm = Literal["CSV", "images"]


@dataclass(frozen=True)
class DataSource:
    """Where a data set is.

    Attributes:
        path: A CSV, an archive that has one, or a folder of images.
        folders: The folders with the images, if `path` is a folder that has more than these.
    """

    path: Path
    folders: tuple[Path, ...] = ()

    @property
    def dependencies(self) -> tuple[Path, ...]:
        """What is read."""
        return self.folders or (self.path,)

    @property
    def name(self) -> str:
        """A short name for messages."""
        paths = self.folders or (self.path,)
        return " and ".join(f"{path.name}/" if path.is_dir() else path.name for path in paths)

    def read(self) -> tuple[Table, str, DataForm]:
        """Return the table, a note on what was passed over, which may be empty, and the form that was read."""
        if self.path.is_dir():
            return *read_image_folder(self.path, self.folders), "images"
        try:
            return read_csv(self.path), "", "CSV"
        except NoCsvError:
            return *_read_image_archive(self.path), "images"


def resolve(path: Path) -> DataSource:
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
    if csv_path is None and not _has_images(path):
        csv_path = find_csv(path)
    return DataSource(csv_path or path)


def list_candidates(root: Path) -> list[Path]:
    """Return the files and folders beside run.py that may be a data set, existing or not, the first preferred."""
    existing = {path.name.lower(): path for path in sorted(root.iterdir())}
    files = [f"{name}{ending}" for name in NAMES for ending in ENDINGS]
    names = [*files, *OTHER_FILES, *NAMES, *SPLIT_FOLDERS, IMAGE_ARCHIVE]
    return [existing.get(name.lower(), root / name) for name in names]


def find_beside(root: Path) -> list[DataSource]:
    """Return the data sets among `list_candidates`, the first preferred."""
    return list(_find_beside(root))


def _find_beside(root: Path) -> Iterator[DataSource]:
    split_folders = tuple(path for path in sorted(root.iterdir()) if path.is_dir() and parse_usage(path.name))
    for path in list_candidates(root):
        if path.name.lower() in (*SPLIT_FOLDERS, IMAGE_ARCHIVE):
            continue
        if path.is_file() or (path.is_dir() and (find_csv(path) or _has_images(path))):
            yield resolve(path)
    if split_folders and _has_images(root, split_folders):
        yield DataSource(root, split_folders)
    images = list_images(root / IMAGE_ARCHIVE) if (root / IMAGE_ARCHIVE).is_file() else []
    if any(find_label(name.split("/")[:-1]) is not None for name in images):
        yield DataSource(root / IMAGE_ARCHIVE)


def _read_image_archive(path: Path) -> tuple[Table, str]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / path.name
        if not extract_images(path, folder):
            raise NoCsvError(f"{path} contains neither a CSV of faces nor images.")
        return read_image_folder(folder)


def _has_images(root: Path, folders: tuple[Path, ...] = ()) -> bool:
    return next(find_images(root, folders), None) is not None
