"""Replace the files of an exported model as a set, so that no file, card or archive is of another network."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from annotated_types import Predicate

from pipeline.inference.export import FORMATS
from pipeline.workflow.settings import Description

CARD_SUFFIXES = (".json", ".md", ".zip")
# Names of devices on Windows, with any extension
DEVICE_NAME = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


def _is_file_name(text: str) -> bool:
    if DEVICE_NAME.fullmatch(text):
        return False
    return re.fullmatch(r'(?![. -])[^<>:"/\\|?*\x00-\x1f\ud800-\udfff]{0,100}(?<![. ])', text) is not None


FileName = Annotated[
    str,
    Predicate(_is_file_name),
    Description(
        "a file's name without a folder: at most 100 characters, none of <>:\"/\\|?*, the first not one of .- or "
        "blank, and no device of Windows such as CON"
    ),
]


@contextmanager
def create_new_folder(folder: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder for the new files of a model, in the folder where they belong; it is deleted at the end.

    Args:
        folder: Where the files belong; is made.
        name: Name of the files, without suffix.

    Raises:
        OSError: If the folder is not writable.
    """
    new_folder = folder / f".unfinished-{name}"
    _delete(new_folder)  # of a process that was killed
    new_folder.mkdir(parents=True)
    try:
        yield new_folder
    finally:
        _delete(new_folder)


def replace_model_files(folder: Path, name: str, new_folder: Path) -> None:
    """Delete all files of a model, those of formats that are not among the new ones too, and move the new ones there.

    A process that is killed meanwhile leaves an incomplete set, without its card, rather than a mixed one.
    """
    for suffix in (*CARD_SUFFIXES, *(export_format.suffix for export_format in FORMATS.values())):
        _delete(folder / f"{name}{suffix}")
    for path in sorted(new_folder.iterdir(), key=lambda path: path.suffix in CARD_SUFFIXES):
        path.rename(folder / path.name)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
