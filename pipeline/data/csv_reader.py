"""Read and write FER2013 as CSV: one row per face, its 2,304 gray levels separated by spaces.

Reading is parallel: the file is read in blocks of complete lines, and two threads parse them by array arithmetic.
csv_file.py opens the file, and csv_rows.py has the parsers.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.data import csv_rows
from pipeline.data.csv_file import DECOMPRESSION_ERRORS, open_csv
from pipeline.data.emotions import ALL_EMOTIONS, EmotionSelection
from pipeline.data.fer2013 import COLUMNS, Table
from pipeline.workflow.atomic_io import atomic_write

# NumPy releases the interpreter lock for large arrays only, so smaller blocks would not be parsed in parallel.
BLOCK_BYTES = 1 << 20  # about 130 rows
MAX_PENDING_BLOCKS = 4  # in memory at once: enough to keep both threads busy
N_THREADS = 2
MAX_LINE_BYTES = 1 << 17  # a FER2013 row has 9,240 at most; a file with longer lines is something else
MAX_ROWS = 1_000_000  # 2.3 GB of gray levels; FER2013 has 35,887 rows


def read_csv(
    path: Path, columns: tuple[str, ...] = COLUMNS, emotions: EmotionSelection = ALL_EMOTIONS
) -> Table:
    """Read a FER2013 CSV, plain, compressed (.gz, .xz, .bz2) or in an archive (.zip, .tar), and check all values.

    Columns may be in any order, be spelled as in Kaggle's `icml_face_data.csv` (" pixels", " Usage") or have another
    common name. Emotions may be names, and Usage may say train, val and test.

    Args:
        path: The file.
        columns: Columns to read, "pixels" among them; others in the file are ignored.
        emotions: Names the labels, those of emotions that are left out, too.

    Returns:
        A table (see pipeline.data.fer2013) with these columns; without Usage if the file has no such column.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a FER2013 CSV; names the file, the row (1 is the first below the header) and the
            field.
    """
    blocks = _read_blocks(path)
    header, _, first_block = next(blocks, b"").partition(b"\n")
    layout = csv_rows.parse_header(header, columns, path, emotions)
    parts: list[Table] = []
    row = 1
    for block, part in _parse_ahead(
        chain([first_block], blocks), lambda block: csv_rows.parse_regular_block(block, layout)
    ):
        parts.append(csv_rows.parse_lines(block, layout, path, row) if part is None else part)
        row += block.count(b"\n")
        if row > MAX_ROWS:
            raise ValueError(f"{path} has more than {MAX_ROWS:,} rows; it is not FER2013.")
    table = {name: np.concatenate([part[name] for part in parts]) for name in layout.positions}
    if not len(table["pixels"]):
        raise ValueError(f"{path} has a header but no rows below it.")
    return table


def has_columns(path: Path, columns: tuple[str, ...]) -> bool:
    """Return whether a file is a CSV with all these columns."""
    try:
        header = next(_read_blocks(path), b"").partition(b"\n")[0]
        return len(csv_rows.parse_header(header, columns, path).positions) == len(columns)
    except ValueError:
        return False


def write_csv(table: Table, path: Path) -> None:
    """Write a table as a FER2013 CSV, atomically."""
    digits = np.array([str(value) for value in range(256)], object)
    with atomic_write(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(COLUMNS) + "\n")
        for emotion, pixels, usage in zip(table["emotion"], table["pixels"], table["Usage"], strict=True):
            file.write(f"{emotion},{' '.join(digits[pixels.ravel()])},{usage}\n")


def _parse_ahead(
    blocks: Iterable[bytes], parse: Callable[[bytes], Table | None]
) -> Iterator[tuple[bytes, Table | None]]:
    """Yield each block with its parsed table, in order, while threads parse the next blocks."""
    pending: deque[tuple[bytes, Future[Table | None]]] = deque()
    with ThreadPoolExecutor(max_workers=N_THREADS) as threads:
        for block in blocks:
            pending.append((block, threads.submit(parse, block)))
            if len(pending) == MAX_PENDING_BLOCKS:
                first_block, result = pending.popleft()
                yield first_block, result.result()
        for block, result in pending:
            yield block, result.result()


def _read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the decompressed bytes of a CSV in blocks of complete lines; the last line may lack its line break.

    Shows a progress bar if it takes more than a second.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. See README.md for how to get FER2013.")
    if not path.is_file():  # opening a pipe would block
        raise ValueError(f"{path} is not a file.")
    size = path.stat().st_size
    bar = tqdm(
        total=size, desc=f"Reading {path.name}", unit="B", unit_scale=True, delay=1, leave=False, disable=None
    )
    try:
        with open(path, "rb") as file, bar:
            decompressed = open_csv(file, path)
            while block := decompressed.read(BLOCK_BYTES):
                block += decompressed.readline(MAX_LINE_BYTES)
                if block.rfind(b"\n") < len(block) - MAX_LINE_BYTES:
                    raise ValueError(
                        f"{path} is not a FER2013 CSV: it has a line of more than {MAX_LINE_BYTES:,} bytes."
                    )
                if len(block) >= BLOCK_BYTES and block.isspace():
                    raise ValueError(
                        f"{path} is not a FER2013 CSV: it has {len(block):,} bytes of blank lines."
                    )
                bar.update(file.tell() - bar.n)
                yield block
    except DECOMPRESSION_ERRORS as error:
        raise ValueError(
            f"{path} cannot be decompressed to its end ({error}). It may be truncated; download it again."
        ) from error
