"""Extract the images of a .zip or .tar archive, as Kaggle distributes FER2013 today."""

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline.data.csv_file import DECOMPRESSION_ERRORS, is_system_file, open_tar
from pipeline.data.image_formats import IMAGE_EXTENSIONS

MAX_IMAGES = 1_000_000
MAX_IMAGE_BYTES = 20_000_000
MAX_TOTAL_BYTES = 4_000_000_000  # FER2013's images have 55 million


def extract_images(path: Path, folder: Path) -> int:
    """Extract the images of an archive below `folder`, under their paths in it, and return their number.

    Links and names that lead out of the folder are passed over.

    Raises:
        ValueError: If the archive is damaged or encrypted, or what it contains is too large.
    """
    n_images = n_bytes = 0
    try:
        for name, member in _open_images(path):
            content = member.read(MAX_IMAGE_BYTES + 1)
            n_images, n_bytes = n_images + 1, n_bytes + len(content)
            if len(content) > MAX_IMAGE_BYTES or n_images > MAX_IMAGES or n_bytes > MAX_TOTAL_BYTES:
                raise ValueError(f"{path} contains more than a data set of faces has, up to {name}.")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except (
        *DECOMPRESSION_ERRORS,
        RuntimeError,
    ) as error:  # zipfile raises RuntimeError for a missing password
        raise ValueError(f"{path} cannot be extracted ({error}).") from error
    return n_images


def list_images(path: Path) -> list[str]:
    """Return the paths of the images in a .zip archive; none for another or a damaged file."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if _is_image(name)]


def _open_images(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield path and opened file of each image in an archive."""
    with open(path, "rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as zipped:
                for name in filter(_is_image, zipped.namelist()):
                    with zipped.open(name) as member:
                        yield name, member
            return
        file.seek(0)
        archive: tarfile.TarFile | None = open_tar(file)
        for info in archive or ():
            member_file = archive.extractfile(info) if archive and info.isfile() else None
            if member_file and _is_image(info.name):
                yield info.name, member_file


def _is_image(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    is_inside = ".." not in parts and not name.startswith("/") and ":" not in name and "\\" not in name
    return is_inside and name.lower().endswith(IMAGE_EXTENSIONS) and not is_system_file(*parts)
