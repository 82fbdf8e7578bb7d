"""Step 6: convert the table to the arrays that a network is trained on.

Splits the faces by Usage (Training: train, PublicTest: val, PrivateTest: test), converts the pixels to float32 in
[0, 1], (N, 48, 48, 1), and the labels to one-hot vectors, (N, 7) float32.

Reads:  data/dataset
Writes: data/train_x, train_y, val_x, val_y, test_x, test_y
Run:    python Pre-processing_Data.py
        python Pre-processing_Data.py --drop-constant --drop-leaked
        python Pre-processing_Data.py --train-on-validation    for the final training, when all settings are chosen
Expect: about a second.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, PIXELS, SIDE, Table
from pipeline.data.pixels import to_float
from pipeline.workflow.artifacts import ArtifactStore

PREFIXES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}  # of the arrays' names


@dataclass
class Settings:
    # Images to drop from train
    drop_constant: bool = False  # True: drop training images whose pixels are all the same
    drop_leaked: bool = False  # True: drop training images that are also in validation or test

    # Final training
    train_on_validation: bool = False  # True: train on the validation faces too, which biases their accuracy


def main(settings: Settings, store: ArtifactStore) -> None:
    table = store.read("dataset")
    keep = select_rows(table, settings)
    if not keep.all():
        print(f"  dropped {np.count_nonzero(~keep):,} training faces")
    arrays = split_arrays({name: column[keep] for name, column in table.items()})
    if settings.train_on_validation:
        print(
            "  added the validation faces to train: validation accuracy is now an accuracy on training faces"
        )
        for part in ("x", "y"):
            arrays[f"train_{part}"] = np.concatenate([arrays[f"train_{part}"], arrays[f"val_{part}"]])
    for name, array in arrays.items():
        if not len(array):
            raise ValueError(f"{name} is empty. Set drop_constant and drop_leaked to False.")
        print(f"  {name:<8}{array.shape!s:<20}{array.dtype}, {array.min():.0f} to {array.max():.0f}")
    store.write(**arrays)


def select_rows(table: Table, settings: Settings) -> np.ndarray:
    """Return which rows to keep, (N,) bool."""
    keep = np.ones(len(table["emotion"]), bool)
    if settings.drop_constant:
        keep &= ~find_constant_training_rows(table)
    if settings.drop_leaked:
        keep &= ~find_leaked_training_rows(table)
    return keep


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


def split_arrays(table: Table) -> dict[str, np.ndarray]:
    """Return faces and one-hot labels of each split: train_x (N, 48, 48, 1), train_y (N, 7), ..., all float32."""
    arrays = {}
    for usage, prefix in PREFIXES.items():
        rows = table["Usage"] == usage
        arrays[f"{prefix}_x"] = to_float(table["pixels"][rows].reshape(-1, SIDE, SIDE, 1))
        arrays[f"{prefix}_y"] = np.eye(len(EMOTIONS), dtype=np.float32)[table["emotion"][rows]]
    return arrays


if __name__ == "__main__":
    run_step(main, Settings)
