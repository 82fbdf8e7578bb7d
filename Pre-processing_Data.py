"""Step 6: convert the table to the arrays that a network is trained on.

Splits the faces by Usage (Training: train, PublicTest: val, PrivateTest: test) and converts the pixels to float32 in
[0, 1], (N, 48, 48, 1). The targets (N, K) float32, for K emotions, are one-hot labels or, with FER+, the shares of ten
people's votes.

Reads:  data/dataset, emotions, votes
Writes: data/train_x, train_y, val_x, val_y, test_x, test_y, and ground_truth (label and voters' majority of each face,
        and whether its image is trained on)
Run:    python3 Pre-processing_Data.py
        python3 Pre-processing_Data.py --targets votes --stretch-contrast    to learn what people see, for new faces
        python3 Pre-processing_Data.py --drop-constant --drop-leaked
        python3 Pre-processing_Data.py --exclude results/suspects.csv    see Find_Suspect_Labels.py
        python3 Pre-processing_Data.py --train-on-validation    for the final training, when all settings are chosen
Expect: about a second.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.workflow.cli import run_step

import numpy as np
from annotated_types import Ge, Le

from pipeline.data.fer2013 import PIXELS, SIDE, Emotions, Table
from pipeline.data.pixels import stretch_contrast, to_float
from pipeline.data.suspect_list import find_listed_rows
from pipeline.data.targets import (
    GroundTruth,
    TargetKind,
    build_targets,
    collect_ground_truth,
    has_enough_votes,
)
from pipeline.data.votes import MAX_VOTES
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.formatting import format_count
from pipeline.workflow.settings import FilePath

PREFIXES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}  # of the arrays' names


@dataclass
class Settings:
    # Targets
    targets: TargetKind = "label"  # label; votes: shares of FER+'s votes (see step 2); both: their mean
    min_votes: Annotated[int, Ge(1), Le(MAX_VOTES)] = 5  # for the emotions, that a training face needs
    stretch_contrast: bool = False  # True: stretch dark and flat faces, as is done to new faces

    # Images to drop from train
    drop_constant: bool = False  # True: drop training images whose pixels are all the same
    drop_leaked: bool = False  # True: drop training images that are also in validation or test
    exclude: FilePath = ""  # list of training images to drop, of Find_Suspect_Labels.py; empty: none

    # Final training
    train_on_validation: bool = False  # True: train on the validation faces too, which biases their accuracy


def main(settings: Settings, store: ArtifactStore) -> None:
    table, votes, emotions = store.read("dataset"), store.read("votes"), store.read("emotions")
    validate(settings, votes)
    keep = select_rows(table, votes, emotions, settings)
    if settings.exclude:
        keep &= ~find_excluded_training_rows(table, settings.exclude, store)
    if not keep.all():
        print(f"  dropped {np.count_nonzero(~keep):,} training faces")
    table = {name: column[keep] for name, column in table.items()}
    votes = votes[keep] if len(votes) else votes
    if settings.stretch_contrast:
        table["pixels"] = stretch_contrast(table["pixels"])
    targets = build_targets(table["emotion"], votes, settings.targets, settings.min_votes, emotions)
    arrays = split_arrays(table, targets)
    if settings.train_on_validation:
        print(
            "  added the validation faces to train: validation accuracy is now an accuracy on training faces"
        )
        for part in ("x", "y"):
            arrays[f"train_{part}"] = np.concatenate([arrays[f"train_{part}"], arrays[f"val_{part}"]])
    for name, array in arrays.items():
        if not len(array):
            raise ValueError(
                f"{name} is empty. Set drop_constant and drop_leaked to False, or shorten the list of exclude."
            )
        print(f"  {name:<8}{array.shape!s:<20}{array.dtype}, {array.min():.0f} to {array.max():.0f}")
    ground_truth = split_ground_truth(table, votes, emotions, settings.train_on_validation)
    store.write(**arrays, ground_truth=ground_truth)


def validate(settings: Settings, votes: np.ndarray) -> None:
    """Raise ValueError for settings that need votes that step 2 did not load."""
    if settings.targets != "label" and not len(votes):
        raise ValueError(
            f"targets is {settings.targets!r}, but step 2 loaded no votes. "
            "Run: python3 Load_dataSets.py --votes fer2013new.csv"
        )


def select_rows(table: Table, votes: np.ndarray, emotions: Emotions, settings: Settings) -> np.ndarray:
    """Return which rows to keep, (N,) bool."""
    keep = np.ones(len(table["emotion"]), bool)
    if settings.drop_constant:
        keep &= ~find_constant_training_rows(table)
    if settings.drop_leaked:
        keep &= ~find_leaked_training_rows(table)
    if settings.targets != "label":
        keep &= has_enough_votes(votes, settings.min_votes, emotions) | (table["Usage"] != "Training")
    return keep


def find_excluded_training_rows(table: Table, exclude: str, store: ArtifactStore) -> np.ndarray:
    """Return which rows are Training and in the list at a path, (N,) bool."""
    path = Path(exclude).expanduser().absolute()
    excluded = find_listed_rows(path, table) & (table["Usage"] == "Training")
    store.add_dependency(path)
    print(f"  {path.name} lists {format_count(np.count_nonzero(excluded), 'training face')} to leave out")
    return excluded


def find_constant_training_rows(table: Table) -> np.ndarray:
    """Return which rows are Training and have an image whose pixels are all the same, (N,) bool."""
    pixels = table["pixels"].reshape(-1, PIXELS)
    return (table["Usage"] == "Training") & (pixels.min(axis=1) == pixels.max(axis=1))


def find_leaked_training_rows(table: Table) -> np.ndarray:
    """Return which rows are Training and have the same image as a row of another split, (N,) bool."""
    is_training = table["Usage"] == "Training"
    images = [pixels.tobytes() for pixels in table["pixels"]]
    held_out = {image for image, in_training in zip(images, is_training, strict=True) if not in_training}
    return is_training & np.array([image in held_out for image in images])


def split_arrays(table: Table, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Return faces and targets of each split: train_x (N, 48, 48, 1), train_y (N, K), ..., all float32."""
    arrays = {}
    for usage, prefix in PREFIXES.items():
        rows = table["Usage"] == usage
        arrays[f"{prefix}_x"] = to_float(table["pixels"][rows].reshape(-1, SIDE, SIDE, 1))
        arrays[f"{prefix}_y"] = targets[rows]
    return arrays


def split_ground_truth(
    table: Table, votes: np.ndarray, emotions: Emotions, train_on_validation: bool
) -> dict[str, GroundTruth]:
    """Return {prefix: ground truth of the split}."""
    splits = {prefix: table["Usage"] == usage for usage, prefix in PREFIXES.items()}
    is_trained_on = splits["train"] | splits["val"] if train_on_validation else splits["train"]
    training_images = {pixels.tobytes() for pixels in table["pixels"][is_trained_on]}
    return {
        prefix: collect_ground_truth(
            {name: column[rows] for name, column in table.items()},
            votes[rows] if len(votes) else votes,
            training_images,
            emotions,
        )
        for prefix, rows in splits.items()
    }


if __name__ == "__main__":
    run_step(main, Settings)
