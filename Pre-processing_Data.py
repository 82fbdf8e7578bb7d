"""Step 6: turn the table into the arrays that a network trains on.

Splits the faces by Usage (Training: train, PublicTest: validation, PrivateTest: test), reshapes them to
(N, 48, 48, 1), divides by 255.0 and writes the labels one-hot. The pixel strings were turned into integers by
step 2, which checks each of them.
Reads data/dataset. Writes data/train_x, train_y, val_x, val_y, test_x, test_y.
Run:    python Pre-processing_Data.py
        python Pre-processing_Data.py --drop-constant --drop-leaked
        python Pre-processing_Data.py --validation-too      once all is chosen: the last training, for what ships
Expect: about a second.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_step

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, PIXELS, SIDE, SPLITS, Table
from pipeline.workflow.artifacts import ArtifactStore


@dataclass
class Settings:
    drop_constant: bool = False  # True: leave out training images in which all pixels are the same
    drop_leaked: bool = False  # True: leave out training images that stand in validation or test too
    validation_too: bool = False  # True: train on the validation faces as well; validation then tells nothing


def main(settings: Settings, store: ArtifactStore) -> None:
    table = store.read("dataset")
    keep = np.ones(len(table["emotion"]), bool)
    if settings.drop_constant:
        keep &= ~(is_training(table) & is_constant(table))
    if settings.drop_leaked:
        keep &= ~is_leaked(table)
    if not keep.all():
        print(f"  {np.count_nonzero(~keep):,} training faces are left out")

    arrays = {}
    for usage, split in SPLITS.items():
        rows = keep & (table["Usage"] == usage)
        short = "val" if split == "validation" else split
        faces = table["pixels"][rows].reshape(-1, SIDE, SIDE, 1)
        arrays[f"{short}_x"] = np.divide(faces, 255.0, dtype=np.float32)
        arrays[f"{short}_y"] = np.eye(len(EMOTIONS), dtype=np.float32)[table["emotion"][rows]]
    if settings.validation_too:
        print("  the validation faces are trained on as well: their accuracy will tell nothing of new faces")
        for part in ("x", "y"):
            arrays[f"train_{part}"] = np.concatenate([arrays[f"train_{part}"], arrays[f"val_{part}"]])
    for name, array in arrays.items():
        print(f"  {name:<8}{array.shape!s:<20}{array.dtype}, {array.min():.0f} to {array.max():.0f}")
        if not len(array):
            raise ValueError(f"Nothing is left of {name}. Set drop_constant and drop_leaked to False.")
    store.write(**arrays)


def is_training(table: Table) -> np.ndarray:
    return table["Usage"] == "Training"


def is_constant(table: Table) -> np.ndarray:
    pixels = table["pixels"].reshape(-1, PIXELS)
    return pixels.min(axis=1) == pixels.max(axis=1)


def is_leaked(table: Table) -> np.ndarray:
    """Which rows are Training and have an equal image in another split."""
    training = is_training(table)
    images = [pixels.tobytes() for pixels in table["pixels"]]
    held_back = {image for image, trained in zip(images, training, strict=True) if not trained}
    return training & np.array([image in held_back for image in images])


if __name__ == "__main__":
    run_step(main, Settings)
