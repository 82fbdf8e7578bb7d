"""Refuse a Keras file that would take much more memory than its size suggests, or that reads other files."""

import zipfile
from pathlib import Path
from typing import IO

MAX_ARCHIVE_BYTES = 1 << 30  # unpacked; a larger archive may unpack to MAX_ARCHIVE_RATIO times its own size
MAX_ARCHIVE_RATIO = 10  # weights hardly compress, so a higher ratio is a zip bomb
MAX_CONFIG_BYTES = (
    1 << 22
)  # of a network's configuration, which takes 30 times as much memory; Strong has 42 KB
WEIGHTS_SUFFIX = ".h5"


def check_file(path: Path) -> None:
    """Check the sizes of a .keras or .h5 file before Keras reads it; a file of another kind passes.

    Raises:
        ValueError: It is a bomb, or refers to other files.
    """
    if zipfile.is_zipfile(path):
        _check_archive(path)
    else:
        _check_hdf5(path, path.stat().st_size, path)


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_size(path, sum(member.file_size for member in members), path.stat().st_size)
        for member in members:
            if not member.filename.endswith(WEIGHTS_SUFFIX):
                _check_config(path, member.filename, member.file_size)
        for member in members:
            if member.filename.endswith(WEIGHTS_SUFFIX):
                try:
                    with archive.open(member) as file:
                        _check_hdf5(file, member.file_size, path)
                except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
                    raise ValueError(f"{path} is damaged or encrypted: {error}") from error


def _check_hdf5(file: IO[bytes] | Path, n_bytes: int, path: Path) -> None:
    """Check an HDF5 file of n_bytes, which is `path` or part of it."""
    import h5py

    try:
        hdf5 = h5py.File(file, "r")
    except (OSError, ValueError):
        return  # it is not one, which Keras reports
    with hdf5:
        config = hdf5.attrs.get("model_config", "")
        _check_config(path, "model_config", len(config) if isinstance(config, str | bytes) else 0)
        _check_size(path, _count_bytes(hdf5, path), n_bytes)


def _count_bytes(hdf5: "h5py.File", path: Path) -> int:  # type: ignore[name-defined]  # noqa: F821
    """Return the size in memory of all datasets."""
    import h5py

    n_bytes = 0

    def find_external_link(name: str, link: object) -> str | None:
        return name if isinstance(link, h5py.ExternalLink) else None

    def find_external_dataset(name: str, item: object) -> str | None:
        nonlocal n_bytes
        if isinstance(item, h5py.Dataset):
            n_bytes += item.nbytes
            return name if item.external or item.is_virtual else None
        return None

    external = hdf5.visititems_links(find_external_link) or hdf5.visititems(find_external_dataset)
    if external:
        raise ValueError(f"{path} takes {external} from another file and was not opened.")
    return n_bytes


def _check_size(path: Path, unpacked_bytes: int, n_bytes: int) -> None:
    if unpacked_bytes > max(MAX_ARCHIVE_BYTES, MAX_ARCHIVE_RATIO * n_bytes):
        raise ValueError(
            f"{path} would unpack to {unpacked_bytes / 1e9:.1f} GB and was not opened. It is not a valid model file."
        )


def _check_config(path: Path, name: str, n_bytes: int) -> None:
    if n_bytes > MAX_CONFIG_BYTES:
        raise ValueError(
            f"{path} has a {name} of {n_bytes / 1e6:,.0f} MB and was not opened. It is not a valid model file."
        )
