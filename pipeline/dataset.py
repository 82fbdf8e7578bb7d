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
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from pipeline.files import whole_or_not

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

BLOCK = 1 << 20  # bytes read and parsed at a time: some 130 rows
BLOCKS_AHEAD = 4  # blocks in memory at once: enough to keep two threads busy
LONGEST_LINE = 1 << 17  # no FER2013 row comes near; a longer line is another kind of file

Table = dict[str, np.ndarray]

DTYPES = {"emotion": np.uint8, "pixels": np.uint8, "Usage": "<U11"}
KNOWN_FIELDS: dict[str, dict[bytes, int | str]] = {
    "emotion": {str(label).encode(): label for label in range(len(EMOTIONS))},
    "Usage": {usage.encode(): usage for usage in USAGES},
}


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
    blocks = _blocks(path)
    first = next(blocks, b"")
    header, _, rest = first.partition(b"\n")
    places, width = _places(header, needed, path), header.count(b",") + 1
    parts: list[Table] = []
    row = 1
    for block, part in _parsed_ahead(
        chain([rest], blocks), lambda block: _parse_regular(block, places, width)
    ):
        if part is None:
            part = _parse_line_by_line(block, places, width, path, row)
            row += block.count(b"\n") - len(part["pixels"])  # blank lines are numbered too
        row += len(part["pixels"])
        parts.append(part)
    table = {name: np.concatenate([part[name] for part in parts]) for name in needed}
    if not len(table["pixels"]):
        raise ValueError(f"{path} has a header but no rows below it.")
    return table


def _parsed_ahead(
    blocks: Iterable[bytes], parse: Callable[[bytes], Table | None]
) -> Iterator[tuple[bytes, Table | None]]:
    """Each block with what `parse` makes of it, in order; some are parsed ahead, in threads.

    NumPy lets threads run side by side, if only what they work on is large enough: see BLOCK.
    """
    ahead: deque[tuple[bytes, Future]] = deque()
    with ThreadPoolExecutor(max_workers=2) as threads:
        for block in blocks:
            ahead.append((block, threads.submit(parse, block)))
            if len(ahead) == BLOCKS_AHEAD:
                block, parsed = ahead.popleft()
                yield block, parsed.result()
        for block, parsed in ahead:
            yield block, parsed.result()


def _parse_regular(block: bytes, places: dict[str, int], width: int) -> Table | None:
    """Whole lines as a table, by array arithmetic on their bytes.

    `places` says at which place each column stands in a line of `width` fields. Takes pixels of one to three
    digits with one blank between; returns None where anything is otherwise, for `_parse_line_by_line` to explain.
    """
    # Four blanks in front, so that all numbers have as many bytes to their left.
    text = np.frombuffer(b"    " + block, np.uint8)
    is_blank, is_comma, is_newline = text == ord(" "), text == ord(","), text == ord("\n")
    is_end = is_blank | is_comma | is_newline  # of a number or of another field
    ends = np.flatnonzero(is_end[4:])  # in `block`; so `text[n:].take(ends)` stands 4 - n left of the ends

    # A line has as many ends as fields and numbers; the first of its pixels has the end number `first`.
    first, per_line = places["pixels"], width - 1 + PIXELS
    if ends.size == 0 or ends.size % per_line:
        return None
    lines = ends.reshape(-1, per_line)
    field_ends = np.concatenate([lines[:, :first], lines[:, first + PIXELS - 1 :]], axis=1)
    commas, newlines = field_ends[:, :-1], field_ends[:, -1]
    if not (is_comma[4:][commas].all() and is_newline[4:][newlines].all()):
        return None
    if np.count_nonzero(is_blank) != 4 + ends.size - field_ends.size:
        return None

    # Where a number has fewer than three digits, what stands in their place belongs to another and counts as 0.
    inside = (~is_end).view(np.uint8)  # 0 or 1; bool would have to be converted at every step
    two_inside = inside[:-1] & inside[1:]
    three_inside = two_inside[:-1] & two_inside[1:]
    digits = text - np.uint8(ord("0"))
    columns = (
        digits[3:].take(ends),
        (digits * inside)[2:].take(ends),
        (digits[:-1] * two_inside)[1:].take(ends),
        three_inside.take(ends),
    )
    of_pixels = (column.reshape(-1, per_line)[:, first : first + PIXELS] for column in columns)
    units, tens, hundreds, is_longer = of_pixels
    if is_longer.any() or max(units.max(), tens.max()) > 9 or hundreds.max() > 2:
        return None
    below_hundred = tens * np.uint8(10) + units
    pixels = hundreds * np.uint8(100) + below_hundred
    if (pixels < below_hundred).any():  # above 255 a byte starts again from 0
        return None

    table = {"pixels": pixels.reshape(-1, SIDE, SIDE)}
    for name in places.keys() - {"pixels"}:
        place = places[name]
        # A field begins behind the one before it, the first behind the line before.
        before = field_ends[:, place - 1] if place else np.concatenate([[-1], newlines[:-1]])
        spans = zip(before.tolist(), field_ends[:, place].tolist(), strict=True)
        column = [KNOWN_FIELDS[name].get(block[start + 1 : end].strip()) for start, end in spans]
        if None in column:
            return None
        table[name] = np.array(column, DTYPES[name])
    return table


def _parse_line_by_line(block: bytes, places: dict[str, int], width: int, path: Path, row: int) -> Table:
    """Whole lines as a table, in the plainest way; ValueError says what is wrong in which row.

    `row` is the number of the first line's.
    """
    columns: dict[str, list] = {name: [] for name in places}
    for number, line in enumerate(block.split(b"\n"), start=row):
        if not line.strip():
            continue
        fields = _fields(line, path, number)
        if len(fields) != width:
            cut = f"{len(fields)} fields where the header has {width}. Is the line cut short?"
            raise _bad(path, number, "columns", cut)
        for name, place in places.items():
            value = fields[place].strip()
            if name == "pixels":
                columns[name].append(_pixels(value, path, number))
            elif value in KNOWN_FIELDS[name]:
                columns[name].append(KNOWN_FIELDS[name][value])
            else:
                wanted = "a whole number from 0 to 6" if name == "emotion" else "one of " + ", ".join(USAGES)
                raise _bad(path, number, name, f"{_shown(value)} is not {wanted}.")
    shapes = {"pixels": (-1, SIDE, SIDE), "emotion": (-1,), "Usage": (-1,)}
    return {name: np.array(values, DTYPES[name]).reshape(shapes[name]) for name, values in columns.items()}


def _pixels(text: bytes, path: Path, row: int) -> list[int]:
    """One row's 2,304 grey values; ValueError says which is wrong and why."""
    values = text.split()
    if len(values) != PIXELS:
        raise _bad(path, row, "pixels", f"{len(values):,} values where {PIXELS:,} (48 x 48) are needed.")
    for place, value in enumerate(values, start=1):
        if not value.isdigit():
            wanted = "which is no whole number from 0 to 255."
            raise _bad(path, row, "pixels", f"value {place} is {_shown(value)}, {wanted}")
        if len(value.lstrip(b"0")) > 3 or int(value[-3:]) > 255:
            raise _bad(path, row, "pixels", f"value {place} is {_shown(value)}, above 255.")
    return [int(value[-3:]) for value in values]


def write_csv(table: Table, path: Path) -> None:
    """Write a table in FER2013's CSV form, whole or not at all."""
    digits = np.array([str(value) for value in range(256)], object)
    with whole_or_not(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(COLUMNS) + "\n")
        for emotion, pixels, usage in zip(table["emotion"], table["pixels"], table["Usage"], strict=True):
            file.write(f"{emotion},{' '.join(digits[pixels.ravel()])},{usage}\n")


def _blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a CSV, unpacked, in blocks of whole lines; each block ends with a line end.

    Shows a progress bar where it takes more than a second.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there. The README says where FER2013 is to be had.")
    size = path.stat().st_size
    bar = tqdm(total=size, desc=f"Reading {path.name}", unit="B", unit_scale=True, delay=1, leave=False)
    try:
        with open(path, "rb") as raw, bar:
            unpacked = _unpacked(raw, path)
            while block := unpacked.read(BLOCK):
                block += unpacked.readline(LONGEST_LINE)
                if block.rfind(b"\n") < len(block) - LONGEST_LINE:
                    raise ValueError(
                        f"{path} is no FER2013 CSV: it has a line of more than {LONGEST_LINE:,} bytes."
                    )
                bar.update(raw.tell() - bar.n)
                yield block
    except (
        EOFError,
        lzma.LZMAError,
        zlib.error,
        gzip.BadGzipFile,
        zipfile.BadZipFile,
        RuntimeError,
    ) as error:
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
        inside = [
            name for name in archive.namelist() if name.lower().endswith(".csv") and not _is_litter(name)
        ]
        if len(inside) != 1:
            told = f"{path} holds {len(inside)} CSV files where one is needed."
            raise ValueError(f"{told} Unpack it and name the CSV, or the folder of pictures.")
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
    from pipeline import pictures  # here, because most runs read no pictures

    from PIL import Image

    grey = pictures.opened(path).convert("L")
    if grey.size != (SIDE, SIDE):
        grey = grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.uint8)


def _is_litter(*names: str) -> bool:
    """Whether macOS put it there: ._face.jpg, __MACOSX/..."""
    return any(Path(name).name.startswith(".") or "__MACOSX" in name for name in names)


def _pictures(root: Path) -> Iterator[tuple[Path, str, int]]:
    """Each picture under `root` with its Usage and emotion, from <split>/<emotion>/<picture> at any depth."""
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.suffix.lower() in PICTURES and len(parts) >= 3 and path.is_file() and not _is_litter(*parts):
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
