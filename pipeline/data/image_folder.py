"""Read FER2013 from a folder of images, train/<emotion>/*.jpg and test/<emotion>/*.jpg."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.data.fer2013 import DTYPES, EMOTIONS, USAGES, Table
from pipeline.data.image_io import IMAGE_EXTENSIONS, read_face

# Common names of the folders, in lower case.
EMOTION_FOLDERS = {name.lower(): label for label, name in enumerate(EMOTIONS)}
EMOTION_FOLDERS |= {str(label): label for label in range(len(EMOTIONS))}
EMOTION_FOLDERS |= {"anger": 0, "disgusted": 1, "fearful": 2, "afraid": 2, "happiness": 3, "joy": 3}
EMOTION_FOLDERS |= {"sadness": 4, "surprised": 5, "neutrality": 6}
SPLIT_FOLDERS = {"train": "Training", "training": "Training"}
SPLIT_FOLDERS |= dict.fromkeys(("validation", "valid", "val", "publictest"), "PublicTest")
SPLIT_FOLDERS |= dict.fromkeys(("test", "testing", "privatetest"), "PrivateTest")


def read_image_folder(root: Path, seed: int) -> tuple[Table, str]:
    """Read a folder with the images of each split and emotion in a folder of their own.

    Names of the folders may be in any case and have the usual variants. If there is no validation folder, a
    stratified tenth of train becomes PublicTest.

    Args:
        root: A folder that contains <split>/<emotion>/<image> at any depth.
        seed: Seed of the choice of the validation faces.

    Returns:
        The table, sorted by split, and a note on the faces that were held out, empty if there are none.

    Raises:
        FileNotFoundError: If there are no such images.
        ValueError: If an image cannot be read or a folder has an unknown name; names it.
    """
    files = sorted(_find_images(root))
    if not files:
        raise FileNotFoundError(
            f"{root} has no images in the form train/<emotion>/*.jpg and test/<emotion>/*.jpg, "
            f"where <emotion> is one of {', '.join(EMOTIONS)}."
        )
    bar = tqdm(files, desc=f"Reading {root.name}", unit="image", delay=1, leave=False)
    table = {
        "emotion": np.array([label for _, _, label in files], DTYPES["emotion"]),
        "pixels": np.stack([read_face(path) for path, _, _ in bar]),
        "Usage": np.array([usage for _, usage, _ in files], DTYPES["Usage"]),
    }
    note = ""
    if "PublicTest" not in table["Usage"]:
        train = np.flatnonzero(table["Usage"] == "Training")
        validation = _choose_validation_rows(train, table["emotion"][train], seed)
        table["Usage"][validation] = "PublicTest"
        note = (
            f"{root.name} has no validation folder, so a stratified tenth of train, {len(validation):,} faces "
            f"chosen with seed {seed}, is held out as PublicTest."
        )
    order = np.argsort([USAGES.index(usage) for usage in table["Usage"]], kind="stable")
    return {name: column[order] for name, column in table.items()}, note


def is_system_file(*names: str) -> bool:
    """Return whether one of the names is hidden or was added by macOS: ._face.jpg, __MACOSX/..."""
    return any(Path(name).name.startswith(".") or "__MACOSX" in name for name in names)


def _find_images(root: Path) -> Iterator[tuple[Path, str, int]]:
    """Yield each <split>/<emotion>/<image> below `root` with its Usage and emotion."""
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.suffix.lower() not in IMAGE_EXTENSIONS or len(parts) < 3:
            continue
        if is_system_file(*parts) or not path.is_file():
            continue
        usage = SPLIT_FOLDERS.get(path.parent.parent.name.lower())
        label = EMOTION_FOLDERS.get(path.parent.name.lower())
        if usage and label is not None:
            yield path, usage, label
        elif usage:
            raise ValueError(f"{path.parent}: the folder's name is none of {', '.join(EMOTIONS)}.")


def _choose_validation_rows(rows: np.ndarray, emotion: np.ndarray, seed: int) -> np.ndarray:
    """Choose a stratified tenth of `rows` (N,), whose labels are `emotion` (N,); return it sorted."""
    from sklearn.model_selection import train_test_split  # here, because importing it takes a second

    counts = np.bincount(emotion, minlength=len(EMOTIONS))
    if counts.min() < 2:
        raise ValueError(
            f"train has {counts.min()} faces of {EMOTIONS[counts.argmin()]}: too few to hold out a tenth."
        )
    tenth = max(len(EMOTIONS), round(len(rows) / 10))
    return np.sort(train_test_split(rows, test_size=tenth, stratify=emotion, random_state=seed)[1])
