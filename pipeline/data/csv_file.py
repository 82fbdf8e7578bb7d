"""Find and open a CSV of faces: plain, compressed, or in an archive or a folder."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, cast

COMPRESSED = ("", ".gz", ".xz", ".bz2", ".zip")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
CSV_ENDINGS = tuple(f".csv{ending}" for ending in COMPRESSED)
FER2013_STEMS = ("dataset", "fer2013", "icml_face_data")  # names of files that have all faces
KNOWN_STEMS = (*FER2013_STEMS, "train", "training")  # the first preferred
# CSV files that come with FER2013 and FER+ but have no labeled faces.
OTHER_STEMS = ("fer2013new", "test", "example_submission", "label", "labels")
MAX_FOLDER_DEPTH = 3
TAR_MAGIC, TAR_MAGIC_START = b"ustar", 257
DECOMPRESSORS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {  # by a file's first bytes
    b"\x1f\x8b": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file)),
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
ENCRYPTED = 0x1  # flag of a zip archive's member
DECOMPRESSION_ERRORS = (
    EOFError,
    lzma.LZMAError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,  # a compression method that zipfile lacks
)


def is_system_file(*names: str) -> bool:
    """Return whether one of the names is hidden or was added by macOS: ._face.jpg, __MACOSX/..."""
    return any(Path(name).name.startswith(".") or "__MACOSX" in name for name in names)


def find_csv(folder: Path, stems: tuple[str, ...] = ()) -> Path | None:
    """Return the CSV or archive in a folder, or in its subfolders, that has the faces; None without one.

    Args:
        folder: The folder.
        stems: Names to look for; empty: any.

    Raises:
        ValueError: If there are several, of which none has a known name.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if len(parts) > MAX_FOLDER_DEPTH or is_system_file(*parts) or not path.is_file():
            continue
        if not stems or stem(path.name) in stems:
            files["/".join(parts)] = path
    name = choose_csv(files, folder, (*CSV_ENDINGS, *ARCHIVES))
    return files[name] if name else None


def choose_csv(names: Iterable[str], container: Path, endings: tuple[str, ...] = (".csv",)) -> str | None:
    """Choose among the names of files the one that has the faces; None without one.

    Raises:
        ValueError: If there are several, of which none has a known name.
    """
    candidates = [
        name
        for name in names
        if name.lower().endswith(endings) and not is_system_file(name) and stem(name) not in OTHER_STEMS
    ]
    known = [name for name in candidates if stem(name) in KNOWN_STEMS]
    if known:
        return min(known, key=lambda name: (KNOWN_STEMS.index(stem(name)), name.count("/"), len(name)))
    if len(candidates) > 1:
        raise ValueError(
            f"{container} contains several CSV files, and it is not clear which one has the faces: "
            f"{', '.join(candidates[:5])}. Pass the path of that one."
        )
    return candidates[0] if candidates else None


def stem(name: str) -> str:
    """Return a file's name in lower case, without its folder and its endings."""
    return Path(name).name.lower().partition(".")[0]


class NoCsvError(ValueError):
    """An archive has no CSV of faces."""


def open_csv(file: IO[bytes], path: Path) -> IO[bytes]:
    """Open a CSV that may be compressed or in an archive; its first bytes decide, not its name.

    Args:
        file: The opened file.
        path: Its path, for messages.

    Raises:
        NoCsvError: If it is an archive without a CSV of faces.
        ValueError: If it is encrypted, or has several CSV files with unknown names.
    """
    if file.read(4) == b"PK\x03\x04":
        return _open_zip_member(file, path)
    archive = open_tar(file)
    if archive is not None:
        return _open_tar_member(archive, path)
    return _decompress(file)


def open_tar(file: IO[bytes]) -> tarfile.TarFile | None:
    """Open a tar archive, which may be compressed; None for another file."""
    decompressed = _decompress(file)
    start = decompressed.read(TAR_MAGIC_START + len(TAR_MAGIC))
    decompressed.seek(0)
    return tarfile.TarFile(fileobj=decompressed) if start[TAR_MAGIC_START:] == TAR_MAGIC else None


def _decompress(file: IO[bytes]) -> IO[bytes]:
    """Return a file's decompressed content, or the file itself if it is not compressed."""
    file.seek(0)
    magic = file.read(6)
    file.seek(0)
    opener = next((opener for start, opener in DECOMPRESSORS.items() if magic.startswith(start)), None)
    return opener(file) if opener else file


def _open_zip_member(file: IO[bytes], path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    name = choose_csv(archive.namelist(), path)
    if name is None:
        raise _no_csv_error(path)
    if archive.getinfo(name).flag_bits & ENCRYPTED:
        raise ValueError(f"{path} is encrypted. Extract it with its password and pass the path of the CSV.")
    return archive.open(name)


def _open_tar_member(archive: tarfile.TarFile, path: Path) -> IO[bytes]:
    members = {member.name: member for member in archive if member.isfile()}
    name = choose_csv(members, path)
    if name is None:
        raise _no_csv_error(path)
    return archive.extractfile(members[name]) or io.BytesIO()


def _no_csv_error(path: Path) -> NoCsvError:
    return NoCsvError(
        f"{path} contains neither a CSV of faces nor images in folders named after their emotion."
    )
