"""Step 3: count the faces, and find what is wrong with the data.

Reads data/dataset. Writes data/analysis and results/analysis.json: counts and shares per emotion and split,
exact duplicates, duplicates across splits (leakage: a test face that was trained on), duplicates that carry
different labels, constant and nearly black images, brightness and contrast.
Run:    python Analizing_DataSet.py
Expect: about a second. FER2013 has duplicates across splits and a dozen constant images; step 6 can drop them.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.workflow.cli import run_step

import numpy as np
import pandas as pd

from pipeline.data.fer2013 import EMOTIONS, PIXELS, SPLITS, USAGES, Table, count_faces
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.steps import RESULTS


@dataclass
class Settings:
    nearly_black: float = 10.0  # gray levels, 0 to 255: an image whose mean lies below counts as nearly black


def main(settings: Settings, store: ArtifactStore) -> None:
    table, source = store.read("dataset"), store.read("source")
    analysis = {
        "data": source["label"],
        "counts": count(table),
        "duplicates": find_duplicates(table),
        "images": look_at_images(table, settings.nearly_black),
    }
    write_json(RESULTS / "analysis.json", analysis)
    store.write(analysis=analysis)
    report(analysis)


def count(table: Table) -> dict[str, Any]:
    """Faces per split and emotion: {split: {emotion: count}}, emotions sorted by count over all splits."""
    counts = count_faces(table["emotion"], table["Usage"])
    order = counts.sum(axis=0).argsort(kind="stable")[::-1]
    return {
        usage: {EMOTIONS[label]: int(row[label]) for label in order}
        for usage, row in zip(USAGES, counts, strict=True)
    }


def find_duplicates(table: Table) -> dict[str, Any]:
    """Images that are pixel for pixel the same, in groups."""
    # Equal bytes get equal numbers.
    image, _ = pd.factorize(pd.Series([pixels.tobytes() for pixels in table["pixels"]]))
    rows = pd.DataFrame({"image": image, "emotion": table["emotion"], "Usage": table["Usage"]})
    groups = rows.groupby("image")
    trained_on = set(rows.image[rows.Usage == "Training"])
    return {
        "groups": int((groups.size() > 1).sum()),
        "repeated_rows": int(len(rows) - len(groups)),
        "repeated_rows_within": {
            usage: int(rows.image[rows.Usage == usage].duplicated().sum()) for usage in USAGES
        },
        "also_in_training": {
            usage: int(rows.image[rows.Usage == usage].isin(trained_on).sum()) for usage in USAGES[1:]
        },
        "groups_with_different_labels": int((groups.emotion.nunique() > 1).sum()),
    }


def look_at_images(table: Table, nearly_black: float) -> dict[str, Any]:
    """Constant and nearly black images; mean gray level (brightness) and its standard deviation (contrast)."""
    pixels = table["pixels"].reshape(-1, PIXELS)
    brightness, contrast = pixels.mean(axis=1), pixels.std(axis=1, dtype=np.float32)
    constant = pixels.min(axis=1) == pixels.max(axis=1)
    by_emotion = (
        pd.DataFrame({"brightness": brightness, "contrast": contrast}).groupby(table["emotion"]).mean()
    )
    return {
        "constant": int(constant.sum()),
        "constant_rows": [int(row) + 1 for row in np.flatnonzero(constant)[:50]],
        "nearly_black": int((brightness < nearly_black).sum()),
        "brightness_mean": round(float(brightness.mean()), 2),
        "brightness_std": round(float(brightness.std()), 2),
        "contrast_mean": round(float(contrast.mean()), 2),
        "per_emotion": {
            EMOTIONS[label]: {name: round(float(value), 2) for name, value in row.items()}
            for label, row in by_emotion.iterrows()
        },
    }


def report(analysis: dict[str, Any]) -> None:
    counts = pd.DataFrame(analysis["counts"]).rename(columns=SPLITS)
    counts["all"] = counts.sum(axis=1)
    counts["share"] = (counts["all"] / counts["all"].sum()).map("{:.1%}".format)
    images = pd.DataFrame(analysis["images"]["per_emotion"]).T
    print(counts.join(images).to_string())

    duplicates, images = analysis["duplicates"], analysis["images"]
    leaked = duplicates["also_in_training"]
    print(
        f"  {duplicates['repeated_rows']:,} rows repeat another, in {duplicates['groups']:,} groups of equal images"
    )
    print(
        f"  {leaked['PublicTest']:,} PublicTest rows and {leaked['PrivateTest']:,} PrivateTest rows stand in Training"
    )
    print(f"  {duplicates['groups_with_different_labels']:,} groups of equal images carry different labels")
    print(f"  {images['constant']:,} images are constant, {images['nearly_black']:,} nearly black")
    print("  table: results/analysis.json")


if __name__ == "__main__":
    run_step(main, Settings)
