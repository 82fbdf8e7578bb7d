"""Write and read results/suspects.csv, the list of faces whose labels may be wrong, which step 6 can leave out.

A face is identified by where it comes from and by its pixels, so that a list of another data set is refused.
"""

import csv
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.fer2013 import Table
from pipeline.workflow.atomic_io import atomic_write

COLUMNS = (
    *("origin", "digest", "split", "label", "suggested", "score"),
    *("label_probability", "suggested_probability", "voters_majority", "voters_share"),
)
DIGEST_LENGTH = 16  # hexadecimal digits


def compute_digest(pixels: np.ndarray) -> str:
    """Return the start of the SHA-256 of a face, (48, 48) uint8."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:DIGEST_LENGTH]


def check_origins(table: Table) -> None:
    """Raise ValueError for a data set without the column origin, which earlier versions did not store."""
    if "origin" not in table:
        raise ValueError(
            "The data set was stored by an earlier version, without the origin of each face. "
            "Run: python3 Load_dataSets.py"
        )


def write_suspects(path: Path, suspects: list[dict[str, Any]]) -> None:
    """Write suspects, with values for COLUMNS, as a CSV."""
    with (
        atomic_write(path) as unfinished,
        open(unfinished, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(suspects)


def find_listed_rows(path: Path, table: Table) -> np.ndarray:
    """Return which rows of the data set a list has, (N,) bool. Only its columns origin and digest count.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such list, or has a face that is not in the data set (names the line), or the data set
            has no origins.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = [(line["origin"], line["digest"]) for line in csv.DictReader(file)]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist. Run: python3 Find_Suspect_Labels.py") from None
    except (csv.Error, KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is not a list of suspect labels: it needs the columns origin and digest ({error})."
        ) from error
    check_origins(table)
    rows = {origin: row for row, origin in enumerate(table["origin"].tolist())}
    is_listed = np.zeros(len(table["origin"]), bool)
    for number, (origin, digest) in enumerate(lines, start=2):
        row = rows.get(origin)
        if row is None or compute_digest(table["pixels"][row]) != digest:
            raise ValueError(
                f"{path}, line {number:,}: the data set has no face {origin!r} with the digest {digest!r}. The list "
                "belongs to another data set. Run: python3 Find_Suspect_Labels.py"
            )
        is_listed[row] = True
    return is_listed
