"""Divide the faces of a data set among the splits that it lacks: stratified, seeded, equal images on one side."""

import numpy as np
import pandas as pd

from pipeline.data.fer2013 import DTYPES, EMOTIONS, SPLITS, USAGES, Emotions, Table

Percentages = tuple[int, int, int]  # of train, validation and test


def fill_splits(
    table: Table, percentages: Percentages, seed: int, origin: str, emotions: Emotions = EMOTIONS
) -> tuple[Table, str]:
    """Hold faces out of train for each split that is missing; without any split, all faces count as train.

    Of each emotion about the same share is held out, and equal images stay on one side.

    Args:
        table: The data set; Usage may be missing, and there may be other columns.
        percentages: A missing split gets this share of the faces of train.
        seed: Seed of the choice.
        origin: Name of the data set, for messages.
        emotions: Names of the emotions, for messages.

    Returns:
        The table, sorted by split if faces were held out, and a note on what was done, empty if nothing was.

    Raises:
        ValueError: If the percentages do not sum to 100, or an emotion has too few faces.
    """
    if sum(percentages) != 100 or min(percentages) < 1:
        raise ValueError(f"split is {percentages}, but must be three percentages that sum to 100: 80 10 10.")
    has_splits = "Usage" in table
    usage = table["Usage"] if has_splits else np.full(len(table["emotion"]), USAGES[0])
    usage = usage.astype(DTYPES["Usage"])  # a copy
    missing = [name for name in USAGES[1:] if name not in usage]
    pool = np.flatnonzero(usage == USAGES[0])
    if not missing or not len(pool):
        return table, ""
    shares = {name: percentages[USAGES.index(name)] / 100 for name in missing}
    usage[pool] = _hold_out(table["pixels"][pool], table["emotion"][pool], shares, seed, origin, emotions)
    held_out = " and ".join(f"{np.count_nonzero(usage == name):,} for {SPLITS[name]}" for name in missing)
    lacks = f"no {' and no '.join(SPLITS[name] for name in missing)} split" if has_splits else "no splits"
    note = (
        f"{origin} has {lacks}. Of its {len(pool):,} faces {'for training ' if has_splits else ''}{held_out} are "
        f"held out: stratified by emotion, with seed {seed}, equal images on one side."
    )
    return sort_by_split(table | {"Usage": usage}), note


def sort_by_split(table: Table) -> Table:
    """Sort the rows by their split, in the order of USAGES; within a split they keep their order."""
    order = np.argsort([USAGES.index(name) for name in table["Usage"]], kind="stable")
    return {name: column[order] for name, column in table.items()}


def _hold_out(
    pixels: np.ndarray,
    emotion: np.ndarray,
    shares: dict[str, float],
    seed: int,
    origin: str,
    emotions: Emotions,
) -> np.ndarray:
    """Return the Usage of N faces of train, of which `shares` go to other splits, (N,) str."""
    image, _ = pd.factorize(pd.Series([face.tobytes() for face in pixels]))
    label = emotion[np.unique(image, return_index=True)[1]]  # of each image: that of its first face
    usage_of_image = np.full(len(label), USAGES[0], DTYPES["Usage"])
    rng = np.random.default_rng(seed)
    for present in np.unique(label):
        images = rng.permutation(np.flatnonzero(label == present))
        if len(images) <= len(shares):
            raise ValueError(
                f"{origin} has {len(images)} different faces of {emotions[present]}, too few to hold one out for "
                f"{' and '.join(SPLITS[name] for name in shares)}. Add faces of it."
            )
        start = 0
        for name, share in shares.items():
            end = start + max(1, round(len(images) * share))
            usage_of_image[images[start:end]] = name
            start = end
    return usage_of_image[image]
