"""Parse the header and the rows of a FER2013 CSV, whose fields are separated by commas, semicolons or tabs.

There are two parsers of rows: a fast one for the regular format in which FER2013 is distributed, and a plain one for
everything else that is valid CSV, which also explains what is invalid.
"""

import csv
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from pipeline.data.emotions import ALL_EMOTIONS, EmotionSelection
from pipeline.data.fer2013 import (
    COLUMNS,
    DTYPES,
    PIXELS,
    SIDE,
    USAGES,
    Table,
    parse_usage,
)

SEPARATORS = (",", ";", "\t")
# Other names of columns, in lower case.
COLUMN_NAMES = {
    "emotion": ("emotion", "emotions", "label", "labels", "expression"),
    "pixels": ("pixels", "pixel"),
    "Usage": ("usage", "split"),
}
OPTIONAL_COLUMNS = ("Usage",)
WHOLE_FLOAT_ENDING = re.compile(rb"(?<=[0-9])\.0*(?=[\s,;\"]|$)")
SHAPES = {"emotion": (-1,), "pixels": (-1, SIDE, SIDE), "Usage": (-1,)}
# Before a block, so that the bytes to the left of its first number exist: three digits and the end of a number.
PADDING = b"    "
MAX_QUOTED_BYTES = 20  # of an invalid value that a message quotes


@dataclass(frozen=True)
class CsvLayout:
    """Where the columns are.

    Attributes:
        positions: Index of each column to read among the fields of a line.
        n_fields: Fields per line.
        separator: Between the fields.
        emotions: What the values of the column emotion may be.
    """

    positions: dict[str, int]
    n_fields: int
    separator: str = ","
    emotions: EmotionSelection = ALL_EMOTIONS


def parse_header(
    header: bytes, columns: tuple[str, ...], path: Path, emotions: EmotionSelection = ALL_EMOTIONS
) -> CsvLayout:
    """Find `columns` in the first line of a CSV; Usage may be missing.

    Raises:
        ValueError: If another column is missing, one is there twice, or the file is not text.
    """
    try:
        text = header.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"{path} is not UTF-8 text, so it is not a FER2013 CSV. Save it as CSV in UTF-8.")
    if not text.strip():
        raise ValueError(f"{path} is empty; its first line must be {','.join(COLUMNS)}.")
    found = _quote(header.strip(), 3 * MAX_QUOTED_BYTES)
    separator, positions, n_fields = _detect_separator(text.rstrip("\r"), columns, path)
    for name in columns:
        if len(positions.get(name, [])) > 1:
            raise ValueError(f"{path} has two columns {name}; its first line is {found}.")
        if name not in positions and name not in OPTIONAL_COLUMNS:
            raise ValueError(f"{path} has no column {name}; its first line is {found}.")
    found_columns = {name: positions[name][0] for name in columns if name in positions}
    return CsvLayout(found_columns, n_fields, separator, emotions)


def _detect_separator(
    line: str, columns: tuple[str, ...], path: Path
) -> tuple[str, dict[str, list[int]], int]:
    """Return the separator with which a header has most of `columns`, where each stands, and the number of fields.

    A column is found by its own or another common name.
    """
    best: tuple[str, dict[str, list[int]], int] = (SEPARATORS[0], {}, 0)
    error = None
    for separator in SEPARATORS:
        try:
            names = [name.strip().lower() for name in _split_quoted(line, separator)]
        except csv.Error as invalid:
            error = error or invalid
            continue
        positions = {}
        for column in columns:
            found = next((name for name in COLUMN_NAMES[column] if name in names), None)
            if found is not None:
                positions[column] = [position for position, name in enumerate(names) if name == found]
        if len(positions) > len(best[1]):
            best = separator, positions, len(names)
    if error and not best[1]:
        raise ValueError(f"{path} is not CSV: its first line is invalid ({error}).")
    return best


# --------------------------------------------------------------------------------------------------
# Fast parser
# --------------------------------------------------------------------------------------------------
def parse_regular_block(block: bytes, layout: CsvLayout) -> Table | None:
    """Parse complete lines in the regular format by array arithmetic on their bytes.

    Regular are lines without quotes whose gray levels have one to three digits, perhaps with .0 behind them, and one
    space between them.

    Returns:
        The table; None if a line is irregular or invalid, for `parse_lines` to parse or to explain.
    """
    block = _remove_zero_fractions(block)
    text = np.frombuffer(PADDING + block, np.uint8)
    is_space, is_separator, is_newline = text == ord(" "), text == ord(layout.separator), text == ord("\n")
    is_end = is_space | is_separator | is_newline  # of a gray level or of another field
    # Indices into `block`, so that text[n:].take(ends) are the bytes 4 - n to the left of the ends.
    all_ends = np.flatnonzero(is_end[len(PADDING) :])

    ends_per_line = layout.n_fields - 1 + PIXELS
    # After the last end, a line that was cut or that lacks its line break may follow.
    if all_ends.size == 0 or all_ends.size % ends_per_line or not block.endswith(b"\n"):
        return None
    ends = all_ends.reshape(-1, ends_per_line)
    first = layout.positions["pixels"]
    field_ends = np.concatenate([ends[:, :first], ends[:, first + PIXELS - 1 :]], axis=1)
    separators, newlines = field_ends[:, :-1], field_ends[:, -1]
    if not (is_separator[len(PADDING) :][separators].all() and is_newline[len(PADDING) :][newlines].all()):
        return None
    if np.count_nonzero(is_space) != len(PADDING) + ends.size - field_ends.size:
        return None

    pixels = _parse_gray_levels(text, is_end, ends, slice(first, first + PIXELS))
    if pixels is None:
        return None
    table = {"pixels": pixels.reshape(SHAPES["pixels"])}
    for name in layout.positions.keys() - {"pixels"}:
        values = _parse_labels(block, field_ends, layout.positions[name], name, layout.emotions)
        if None in values:
            return None
        table[name] = np.array(values, DTYPES[name])
    return table


def _remove_zero_fractions(block: bytes) -> bytes:
    """Turn floats that are whole numbers into integers: 70.0 into 70."""
    if b"." not in block:
        return block
    shortened = block
    for end in (b" ", b",", b";", b"\t", b"\n"):
        shortened = shortened.replace(b".0" + end, end)
    # A dot that is left may belong to 70.00, or to 70.0.0, of which the replacement made 70.0.
    return WHOLE_FLOAT_ENDING.sub(b"", block) if b"." in shortened else shortened


def _parse_gray_levels(
    text: np.ndarray, is_end: np.ndarray, ends: np.ndarray, pixel_ends: slice
) -> np.ndarray | None:
    """Compute the gray levels from the up to three digits to the left of their ends.

    Args:
        text: (B,) uint8, the bytes of the block behind PADDING.
        is_end: (B,) bool, where a number or another field ends.
        ends: (N, E) indices of the ends in each line, into the block.
        pixel_ends: The gray levels among the E ends of a line.

    Returns:
        (N, 2304) uint8; None if a gray level is not a whole number from 0 to 255 of one to three digits.
    """
    # A byte that lies beyond the start of a number, in the previous one, counts as the digit 0.
    is_inside = (~is_end).view(np.uint8)  # 0 or 1; bool would be converted in each product
    two_inside = is_inside[:-1] & is_inside[1:]
    three_inside = two_inside[:-1] & two_inside[1:]
    digits = text - np.uint8(ord("0"))
    units = digits[3:].take(ends)[:, pixel_ends]
    tens = (digits * is_inside)[2:].take(ends)[:, pixel_ends]
    hundreds = (digits[:-1] * two_inside)[1:].take(ends)[:, pixel_ends]
    has_four_digits = three_inside.take(ends)[:, pixel_ends]
    if has_four_digits.any() or max(units.max(), tens.max()) > 9 or hundreds.max() > 2:
        return None
    below_hundred = tens * np.uint8(10) + units
    pixels = hundreds * np.uint8(100) + below_hundred
    has_overflow = (pixels < below_hundred).any()  # above 255, uint8 wraps around
    return None if has_overflow else pixels


def _parse_labels(
    block: bytes, field_ends: np.ndarray, position: int, name: str, emotions: EmotionSelection
) -> list[int | str | None]:
    """Return the value of the field `name` at `position` of each line; None for a field that is invalid."""
    # A field starts after the end of the previous one; the first field after the end of the previous line.
    previous_ends = field_ends[:, position - 1] if position else np.append(-1, field_ends[:-1, -1])
    spans = zip(previous_ends.tolist(), field_ends[:, position].tolist(), strict=True)
    return [_find_value(name, block[start + 1 : end], emotions) for start, end in spans]


@lru_cache(maxsize=1024)
def _find_value(name: str, text: bytes, emotions: EmotionSelection) -> int | str | None:
    """Return the label or the Usage that a field stands for, or None."""
    value = WHOLE_FLOAT_ENDING.sub(b"", text.strip()).decode("utf-8", "replace")
    return emotions.find_label(value) if name == "emotion" else parse_usage(value)


# --------------------------------------------------------------------------------------------------
# Plain parser
# --------------------------------------------------------------------------------------------------
def parse_lines(block: bytes, layout: CsvLayout, path: Path, first_row: int) -> Table:
    """Parse complete lines one by one; blank lines are skipped.

    Args:
        block: The lines.
        layout: Where the columns are.
        path: The file, for messages.
        first_row: Number of the first line, for messages.

    Raises:
        ValueError: If a line is invalid; names the file, the row and the field.
    """
    columns: dict[str, list] = {name: [] for name in layout.positions}
    for row, line in enumerate(block.split(b"\n"), start=first_row):
        if not line.strip():
            continue
        fields = _split_fields(line, layout.separator, path, row)
        if len(fields) != layout.n_fields:
            reason = (
                f"{len(fields)} fields where the header has {layout.n_fields}; the line may be truncated."
            )
            raise _row_error(path, row, "columns", reason)
        for name, position in layout.positions.items():
            parse = _parse_pixels if name == "pixels" else partial(_parse_label, emotions=layout.emotions)
            columns[name].append(parse(fields[position].strip(), path, row, name))
    return {name: np.array(values, DTYPES[name]).reshape(SHAPES[name]) for name, values in columns.items()}


def _parse_pixels(text: bytes, path: Path, row: int, name: str) -> list[int]:
    """Parse the 2,304 gray levels of a row, which may be floats and a list: [70.0, 80.0]."""
    values = text.strip(b"[]").replace(b",", b" ").split()
    if len(values) != PIXELS:
        reason = f"{len(values):,} values instead of {PIXELS:,} ({SIDE} x {SIDE})."
        raise _row_error(path, row, name, reason)
    pixels = []
    for number, value in enumerate(values, start=1):
        whole, _, fraction = value.partition(b".")
        if not whole.isdigit() or fraction.strip(b"0"):
            reason = f"value {number} is {_quote(value)}, not a whole number from 0 to 255."
            raise _row_error(path, row, name, reason)
        if len(whole.lstrip(b"0")) > 3 or int(whole[-3:]) > 255:
            raise _row_error(path, row, name, f"value {number} is {_quote(value)}, above 255.")
        pixels.append(int(whole[-3:]))
    return pixels


def _parse_label(text: bytes, path: Path, row: int, name: str, emotions: EmotionSelection) -> int | str:
    """Parse an emotion or a Usage."""
    value = _find_value(name, text, emotions)
    if value is None:
        legal = f"one of {', '.join(USAGES)}"
        if name == "emotion":
            legal = emotions.describe()
        raise _row_error(path, row, name, f"{_quote(text)} is not {legal}.")
    return value


def _split_fields(line: bytes, separator: str, path: Path, row: int) -> list[bytes]:
    """Split a line into its fields, which may be quoted."""
    line = line.rstrip(b"\r")
    if b'"' not in line and b"\r" not in line:
        return line.split(separator.encode())
    try:
        return [field.encode() for field in _split_quoted(line.decode("utf-8"), separator)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _row_error(path, row, "columns", f"not CSV in UTF-8 ({error}).") from error


def _split_quoted(line: str, separator: str) -> list[str]:
    """Split a line whose fields may be quoted; raise csv.Error if a quote is not closed or followed by a separator."""
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))


def _row_error(path: Path, row: int, field: str, reason: str) -> ValueError:
    return ValueError(f"{path}, row {row:,}, {field}: {reason}")


def _quote(text: bytes, max_bytes: int = MAX_QUOTED_BYTES) -> str:
    """Quote a field for a message: short and printable."""
    shortened = text[:max_bytes].decode("utf-8", "backslashreplace")
    return repr(shortened + ("..." if len(text) > max_bytes else ""))
