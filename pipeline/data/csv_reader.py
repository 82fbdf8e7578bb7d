"""The FER2013 table: its emotions and splits, reading it from a CSV or from folders, and checking it.

A *table* is what step 2 stores, a dict of three arrays of equal length, one row a face:

    emotion   (N,) uint8, an index into EMOTIONS
    pixels    (N, 48, 48) uint8, gray, 0 black to 255 white
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
from pipeline.workflow.atomic_io import atomic_write
import numpy as np
from tqdm import tqdm
from pipeline.data.fer2013 import COLUMNS, DTYPES, EMOTIONS, PIXELS, SIDE, Table, USAGES
from pipeline.data.image_folder import is_system_file


BLOCK_BYTES = 1 << 20  # bytes read and parsed at a time: some 130 rows
MAX_PENDING_BLOCKS = 4  # blocks in memory at once: enough to keep two threads busy
MAX_LINE_BYTES = 1 << 17  # no FER2013 row comes near; a longer line is another kind of file
FIELD_VALUES: dict[str, dict[bytes, int | str]] = {
    "emotion": {str(label).encode(): label for label in range(len(EMOTIONS))},
    "Usage": {usage.encode(): usage for usage in USAGES},
}


def read_csv(path: Path, needed: tuple[str, ...] = COLUMNS) -> Table:
    """Read a FER2013 CSV, plain or as .gz, .xz or .zip, every value checked.

    Columns may stand in any order and be spelled as in Kaggle's `icml_face_data.csv` (" pixels", " Usage").
    The table has the columns named in `needed`; others are passed over.

    Raises FileNotFoundError, or ValueError naming the file, the row (1 is the first below the header) and
    the field.
    """
    blocks = _read_blocks(path)
    first = next(blocks, b"")
    header, _, rest = first.partition(b"\n")
    places, width = _find_columns(header, needed, path), header.count(b",") + 1
    parts: list[Table] = []
    row = 1
    for block, part in _parse_ahead(
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


def _parse_ahead(
    blocks: Iterable[bytes], parse: Callable[[bytes], Table | None]
) -> Iterator[tuple[bytes, Table | None]]:
    """Each block with what `parse` makes of it, in order; some are parsed ahead, in threads.

    NumPy lets threads run side by side, if only what they work on is large enough: see BLOCK.
    """
    ahead: deque[tuple[bytes, Future]] = deque()
    with ThreadPoolExecutor(max_workers=2) as threads:
        for block in blocks:
            ahead.append((block, threads.submit(parse, block)))
            if len(ahead) == MAX_PENDING_BLOCKS:
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
        column = [FIELD_VALUES[name].get(block[start + 1 : end].strip()) for start, end in spans]
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
        fields = _split_fields(line, path, number)
        if len(fields) != width:
            cut = f"{len(fields)} fields where the header has {width}. Is the line cut short?"
            raise _row_error(path, number, "columns", cut)
        for name, place in places.items():
            value = fields[place].strip()
            if name == "pixels":
                columns[name].append(_parse_pixels(value, path, number))
            elif value in FIELD_VALUES[name]:
                columns[name].append(FIELD_VALUES[name][value])
            else:
                wanted = "a whole number from 0 to 6" if name == "emotion" else "one of " + ", ".join(USAGES)
                raise _row_error(path, number, name, f"{_quote_value(value)} is not {wanted}.")
    shapes = {"pixels": (-1, SIDE, SIDE), "emotion": (-1,), "Usage": (-1,)}
    return {name: np.array(values, DTYPES[name]).reshape(shapes[name]) for name, values in columns.items()}


def _parse_pixels(text: bytes, path: Path, row: int) -> list[int]:
    """One row's 2,304 gray values; ValueError says which is wrong and why."""
    values = text.split()
    if len(values) != PIXELS:
        raise _row_error(path, row, "pixels", f"{len(values):,} values where {PIXELS:,} (48 x 48) are needed.")
    for place, value in enumerate(values, start=1):
        if not value.isdigit():
            wanted = "which is no whole number from 0 to 255."
            raise _row_error(path, row, "pixels", f"value {place} is {_quote_value(value)}, {wanted}")
        if len(value.lstrip(b"0")) > 3 or int(value[-3:]) > 255:
            raise _row_error(path, row, "pixels", f"value {place} is {_quote_value(value)}, above 255.")
    return [int(value[-3:]) for value in values]


def write_csv(table: Table, path: Path) -> None:
    """Write a table in FER2013's CSV form, whole or not at all."""
    digits = np.array([str(value) for value in range(256)], object)
    with atomic_write(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(COLUMNS) + "\n")
        for emotion, pixels, usage in zip(table["emotion"], table["pixels"], table["Usage"], strict=True):
            file.write(f"{emotion},{' '.join(digits[pixels.ravel()])},{usage}\n")


def _read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a CSV, unpacked, in blocks of whole lines; each block ends with a line end.

    Shows a progress bar where it takes more than a second.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there. The README says where FER2013 is to be had.")
    size = path.stat().st_size
    bar = tqdm(total=size, desc=f"Reading {path.name}", unit="B", unit_scale=True, delay=1, leave=False)
    try:
        with open(path, "rb") as raw, bar:
            unpacked = _open_decompressed(raw, path)
            while block := unpacked.read(BLOCK_BYTES):
                block += unpacked.readline(MAX_LINE_BYTES)
                if block.rfind(b"\n") < len(block) - MAX_LINE_BYTES:
                    raise ValueError(
                        f"{path} is no FER2013 CSV: it has a line of more than {MAX_LINE_BYTES:,} bytes."
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


def _open_decompressed(raw: BinaryIO, path: Path) -> BinaryIO:
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
            name for name in archive.namelist() if name.lower().endswith(".csv") and not is_system_file(name)
        ]
        if len(inside) != 1:
            told = f"{path} holds {len(inside)} CSV files where one is needed."
            raise ValueError(f"{told} Unpack it and name the CSV, or the folder of pictures.")
        return archive.open(inside[0])
    return raw


def _find_columns(header: bytes, needed: tuple[str, ...], path: Path) -> dict[str, int]:
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
        found = _quote_value(header.strip(), 60)
        raise ValueError(
            f"{path} has no column {' and no column '.join(missing)}; its first line is {found}."
        )
    return {name: names.index(name.lower()) for name in needed}


def _split_fields(line: bytes, path: Path, row: int) -> list[bytes]:
    if b'"' not in line:
        return line.split(b",")
    try:
        return [field.encode() for field in next(csv.reader([line.decode("utf-8").rstrip("\r")]))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _row_error(path, row, "columns", f"not CSV in UTF-8 ({error}).") from error


def _row_error(path: Path, row: int, field: str, what: str) -> ValueError:
    return ValueError(f"{path}, row {row:,}, {field}: {what}")


def _quote_value(text: bytes, longest: int = 20) -> str:
    """A field as it may stand in a message: short, printable, in quotes."""
    shown = text[:longest].decode("utf-8", "backslashreplace")
    return repr(shown + ("..." if len(text) > longest else ""))
