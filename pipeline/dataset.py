"""The FER2013 table: its emotions and splits, reading it from a CSV or from folders, and checking it.

A *table* is what step 2 stores, a dict of three arrays of equal length, one row a face:

    emotion   (N,) uint8, an index into EMOTIONS
    pixels    (N, 48, 48) uint8, grey, 0 black to 255 white
    Usage     (N,) str, one of USAGES

FER2013: I. J. Goodfellow et al., "Challenges in Representation Learning: A report on three machine
learning contests", 2013, https://arxiv.org/abs/1307.0414.
"""

import csv
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.files import unfinished_name

import numpy as np
from tqdm import tqdm

EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
SPLITS = dict(zip(USAGES, ("train", "validation", "test"), strict=True))
COLUMNS = ("emotion", "pixels", "Usage")
SIDE = 48
PIXELS = SIDE * SIDE

# What people call the seven folders; compared in lower case.
FOLDER_NAMES = {name.lower(): label for label, name in enumerate(EMOTIONS)}
FOLDER_NAMES |= {str(label): label for label in range(len(EMOTIONS))}
FOLDER_NAMES |= {"anger": 0, "disgusted": 1, "fearful": 2, "afraid": 2, "happiness": 3, "joy": 3}
FOLDER_NAMES |= {"sadness": 4, "surprised": 5, "neutrality": 6}
SPLIT_FOLDERS = {"train": "Training", "training": "Training"}
SPLIT_FOLDERS |= dict.fromkeys(("validation", "valid", "val", "publictest"), "PublicTest")
SPLIT_FOLDERS |= dict.fromkeys(("test", "testing", "privatetest"), "PrivateTest")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")

BLOCK = 1 << 20  # bytes read at a time
ROWS_AT_ONCE = 16  # rows parsed at a time: 130 kB of text, which stays in the processor's cache
LONGEST_LINE = 1 << 17  # no FER2013 row comes near; a longer line is another kind of file

Table = dict[str, np.ndarray]


# --------------------------------------------------------------------------------------------------
# Pixel strings
# --------------------------------------------------------------------------------------------------
def parse_pixels_slowly(text: bytes) -> np.ndarray:
    """One row's pixel string as (2304,) uint8; raises ValueError saying which value is wrong and why."""
    values = text.split()
    if len(values) != PIXELS:
        raise ValueError(f"{len(values):,} values where {PIXELS:,} (48 x 48) are needed")
    for position, value in enumerate(values, start=1):
        if not re.fullmatch(rb"[0-9]+", value):
            raise ValueError(f"value {position} is {_shown(value)}, which is no whole number from 0 to 255")
        if len(value.lstrip(b"0")) > 3 or int(value) > 255:
            raise ValueError(f"value {position} is {_shown(value)}, above 255")
    return np.array([int(value) for value in values], np.uint8)


def _parse_regular(texts: list[bytes]) -> np.ndarray | None:
    """Pixel strings of several rows as (rows, 2304) uint8 by array arithmetic on their bytes.

    Takes numbers of one to three digits with one blank between; returns None where any row is anything else.
    """
    # Two leading blanks, so that even the first number has three bytes to its left.
    joined = np.frombuffer(b"  " + b" ".join(texts) + b" ", np.uint8)
    is_blank = joined == ord(" ")
    if np.count_nonzero(joined - ord("0") <= 9) + np.count_nonzero(is_blank) != joined.size:
        return None
    blanks = np.flatnonzero(is_blank)[1:]  # the blank before the first number, then the one after each
    ends, lengths = blanks[1:], blanks[1:] - blanks[:-1] - 1
    row_ends = np.cumsum([len(text) + 1 for text in texts]) + 1
    if ends.size != len(texts) * PIXELS or not np.array_equal(ends[PIXELS - 1 :: PIXELS], row_ends):
        return None
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    # The low four bits of a digit are its value and those of a blank are 0. So left of the units stand the
    # tens or 0, and left of those the hundreds, except that a one-digit number has its neighbour's last there.
    digits = joined & 15
    hundreds = digits.take(ends - 3, mode="clip") * (lengths == 3)
    values = hundreds * np.uint16(100)
    values += digits.take(ends - 2, mode="clip") * np.uint8(10)
    values += digits.take(ends - 1, mode="clip")
    if values.max() > 255:
        return None
    return values.astype(np.uint8).reshape(len(texts), PIXELS)


# --------------------------------------------------------------------------------------------------
# The CSV form
# --------------------------------------------------------------------------------------------------
def read_csv(path: Path, needed: tuple[str, ...] = COLUMNS) -> Table:
    """Read a FER2013 CSV, plain or as .gz, .xz or .zip, every value checked.

    Columns may stand in any order and be spelled as in Kaggle's `icml_face_data.csv` (" pixels", " Usage").
    The table has the columns named in `needed`; others are passed over.

    Raises FileNotFoundError, or ValueError naming the file, the row (1 is the first below the header) and
    the field.
    """
    columns: dict[str, list] = {name: [] for name in needed}
    waiting: list[tuple[int, bytes]] = []  # rows whose pixels are not parsed yet
    lines = _lines(path)
    header = next(lines, b"")
    places = _places(header, needed, path)
    width = header.count(b",") + 1

    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = _fields(line, path, row)
        if len(fields) != width:
            raise _bad(
                path,
                row,
                "columns",
                f"{len(fields)} fields where the header has {width}. Is the line cut short?",
            )
        for name, place in places.items():
            if name == "pixels":
                waiting.append((row, fields[place]))
            else:
                columns[name].append(_looked_up(fields[place], name, path, row))
        if len(waiting) == ROWS_AT_ONCE:
            columns["pixels"].append(_parse_rows(waiting, path))
            waiting.clear()
    if waiting:
        columns["pixels"].append(_parse_rows(waiting, path))
    if not columns["pixels"]:
        raise ValueError(f"{path} has a header but no rows below it.")

    table = {"pixels": np.concatenate(columns["pixels"]).reshape(-1, SIDE, SIDE)}
    if "emotion" in needed:
        table["emotion"] = np.array(columns["emotion"], np.uint8)
    if "Usage" in needed:
        table["Usage"] = np.array(columns["Usage"])
    return table


def write_csv(table: Table, path: Path) -> None:
    """Write a table in FER2013's CSV form, whole or not at all."""
    unfinished = unfinished_name(path)
    digits = np.array([str(value) for value in range(256)], object)
    with open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(COLUMNS) + "\n")
        for emotion, pixels, usage in zip(table["emotion"], table["pixels"], table["Usage"], strict=True):
            file.write(f"{emotion},{' '.join(digits[pixels.ravel()])},{usage}\n")
    unfinished.replace(path)


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a CSV, unpacked, with a progress bar over the file where it takes more than a second."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there. The README says where FER2013 is to be had.")
    size = path.stat().st_size
    bar = tqdm(total=size, desc=f"Reading {path.name}", unit="B", unit_scale=True, delay=1, leave=False)
    try:
        with open(path, "rb") as raw, bar:
            unpacked, rest = _unpacked(raw, path), b""
            while block := unpacked.read(BLOCK):
                bar.update(raw.tell() - bar.n)
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                if len(rest) > LONGEST_LINE:
                    raise ValueError(
                        f"{path} is no FER2013 CSV: it has a line of more than {LONGEST_LINE:,} bytes."
                    )
                yield from lines
            if rest:
                yield rest
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be unpacked to its end ({error}). Is it cut short? Fetch it again."
        ) from error


def _unpacked(raw: BinaryIO, path: Path) -> BinaryIO:
    """The bytes of a CSV that may be packed; its first bytes tell how, whatever its name says."""
    magic = raw.read(6)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(raw)
    if magic == b"\xfd7zXZ\x00":
        return lzma.open(raw)
    if magic.startswith(b"PK\x03\x04"):
        archive = zipfile.ZipFile(raw)
        inside = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if len(inside) != 1:
            raise ValueError(
                f"{path} holds {len(inside)} CSV files where one is needed: unpack it and name the CSV."
            )
        return archive.open(inside[0])
    return raw


def _places(header: bytes, needed: tuple[str, ...], path: Path) -> dict[str, int]:
    """Where in a row each needed column stands."""
    try:
        text = header.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"{path} is not UTF-8 text, so it is no FER2013 CSV. Save it as CSV in UTF-8.")
    names = [name.strip().strip('"').strip().lower() for name in text.split(",")]
    if not any(names):
        raise ValueError(f"{path} is empty; its first line must be {','.join(COLUMNS)}.")
    missing = [name for name in needed if name.lower() not in names]
    if missing:
        found = _shown(header.strip(), 60)
        raise ValueError(
            f"{path} has no column {' and no column '.join(missing)}; its first line is {found}."
        )
    return {name: names.index(name.lower()) for name in needed}


def _fields(line: bytes, path: Path, row: int) -> list[bytes]:
    if b'"' not in line:
        return line.split(b",")
    try:
        return [field.encode() for field in next(csv.reader([line.decode("utf-8").rstrip("\r")]))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(path, row, "columns", f"not CSV in UTF-8 ({error}).") from error


def _looked_up(field: bytes, name: str, path: Path, row: int) -> int | str:
    """The value of an emotion or a Usage field."""
    known = _EMOTION_FIELDS if name == "emotion" else _USAGE_FIELDS
    value = known.get(field) if field in known else known.get(field.strip())
    if value is None:
        wanted = "a whole number from 0 to 6" if name == "emotion" else "one of " + ", ".join(USAGES)
        raise _bad(path, row, name, f"{_shown(field)} is not {wanted}.")
    return value


_EMOTION_FIELDS = {str(label).encode(): label for label in range(len(EMOTIONS))}
_USAGE_FIELDS = {usage.encode(): usage for usage in USAGES}


def _parse_rows(rows: list[tuple[int, bytes]], path: Path) -> np.ndarray:
    """The pixels of numbered rows as (rows, 2304) uint8, or ValueError naming the first bad row."""
    parsed = _parse_regular([text for _, text in rows])
    if parsed is not None:
        return parsed
    pixels = []
    for row, text in rows:
        try:
            pixels.append(parse_pixels_slowly(text))
        except ValueError as error:
            raise _bad(path, row, "pixels", f"{error}.") from error
    return np.stack(pixels)


def _bad(path: Path, row: int, field: str, what: str) -> ValueError:
    return ValueError(f"{path}, row {row:,}, {field}: {what}")


def _shown(text: bytes, longest: int = 20) -> str:
    """A field as it may stand in a message: short, printable, in quotes."""
    shown = text[:longest].decode("utf-8", "backslashreplace")
    return repr(shown + ("..." if len(text) > longest else ""))


# --------------------------------------------------------------------------------------------------
# The folder form
# --------------------------------------------------------------------------------------------------
def read_folder(root: Path, seed: int) -> tuple[Table, str]:
    """Read `train/<emotion>/*.jpg` and `test/<emotion>/*.jpg`, the form in which most people get FER2013 today.

    Case and the usual variants of the names don't matter. Where there is no validation folder, a stratified
    tenth of train, drawn with `seed`, becomes PublicTest.

    Returns the table and a sentence on what was held out, empty if nothing was.
    Raises FileNotFoundError where there are no such pictures, ValueError naming a picture that cannot be read.
    """
    files = sorted(_pictures(root))
    if not files:
        raise FileNotFoundError(
            f"{root} holds no pictures in the form train/<emotion>/*.jpg and test/<emotion>/*.jpg, "
            f"where <emotion> is one of {', '.join(EMOTIONS)}."
        )
    bar = tqdm(files, desc=f"Reading {root.name}", unit="picture", delay=1, leave=False)
    table = {
        "emotion": np.array([label for _, _, label in files], np.uint8),
        "pixels": np.stack([read_face(path) for path, _, _ in bar]),
        "Usage": np.array([usage for _, usage, _ in files], dtype="<U11"),
    }
    held_out = ""
    if "PublicTest" not in table["Usage"]:
        train = np.flatnonzero(table["Usage"] == "Training")
        validation = _stratified_tenth(train, table["emotion"][train], seed)
        table["Usage"][validation] = "PublicTest"
        held_out = (
            f"{root.name} has no validation folder, so a stratified tenth of train, {len(validation):,} faces "
            f"drawn with seed {seed}, is held out as PublicTest."
        )
    order = np.argsort([USAGES.index(usage) for usage in table["Usage"]], kind="stable")
    return {name: column[order] for name, column in table.items()}, held_out


def read_face(path: Path) -> np.ndarray:
    """A picture that is one face as (48, 48) uint8 grey; other sizes are resized. Raises ValueError, naming it."""
    from PIL import Image  # here, because most runs read no pictures

    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as a picture ({error}).") from error
    if grey.size != (SIDE, SIDE):
        grey = grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.uint8)


def _pictures(root: Path) -> Iterator[tuple[Path, str, int]]:
    """Each picture under `root` with its Usage and emotion, from <split>/<emotion>/<picture> at any depth."""
    for path in root.rglob("*"):
        if path.suffix.lower() in PICTURES and len(path.relative_to(root).parts) >= 3:
            usage = SPLIT_FOLDERS.get(path.parent.parent.name.lower())
            label = FOLDER_NAMES.get(path.parent.name.lower())
            if usage and label is not None:
                yield path, usage, label
            elif usage:
                raise ValueError(f"{path.parent}: the folder's name is none of {', '.join(EMOTIONS)}.")


def _stratified_tenth(rows: np.ndarray, emotion: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.model_selection import train_test_split  # here: it takes a second to import

    counts = np.bincount(emotion, minlength=len(EMOTIONS))
    if counts.min() < 2:
        raise ValueError(
            f"train has {counts.min()} faces of {EMOTIONS[counts.argmin()]}: too few to hold out a tenth."
        )
    tenth = max(len(EMOTIONS), round(len(rows) / 10))
    return np.sort(train_test_split(rows, test_size=tenth, stratify=emotion, random_state=seed)[1])


# --------------------------------------------------------------------------------------------------
# Checks and counts
# --------------------------------------------------------------------------------------------------
def check(table: Table, origin: str) -> None:
    """Raise ValueError unless each split has faces, and each of the seven emotions among them."""
    for usage, counts in zip(USAGES, counts_of(table["emotion"], table["Usage"]), strict=True):
        if counts.sum() == 0:
            raise ValueError(
                f"{origin} has no row whose Usage is {usage}: the {SPLITS[usage]} split would be empty."
            )
        for emotion, count in zip(EMOTIONS, counts, strict=True):
            if count == 0:
                raise ValueError(
                    f"{origin} has no face of {emotion} among the {usage} rows; each split needs all seven."
                )


def counts_of(emotion: np.ndarray, usage: np.ndarray) -> np.ndarray:
    """Faces per split and emotion, (3, 7) int: rows in the order of USAGES, columns of EMOTIONS."""
    return np.stack([np.bincount(emotion[usage == name], minlength=len(EMOTIONS)) for name in USAGES])
