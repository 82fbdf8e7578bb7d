"""Step 3: count the faces and find defects of the data set.

Reads:  data/dataset, emotions, source, votes
Writes: data/analysis and results/analysis.json: counts per emotion and split, exact duplicates, duplicates across
        splits (leakage: a test image that is also in Training), duplicates with different labels, constant and nearly
        black images, brightness and contrast; with FER+'s votes, how often label and voters agree, and on which
        rows the voters disagree most
Run:    python3 Analizing_DataSet.py
Expect: about a second. FER2013 has duplicates across splits and a dozen constant images; step 6 can drop them.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pipeline.workflow.cli import run_step

import numpy as np
import pandas as pd
from annotated_types import Ge, Le

from pipeline.data.fer2013 import PIXELS, SPLITS, USAGES, Emotions, Table, count_faces
from pipeline.data.votes import NO_MAJORITY, majority, vote_distribution
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.steps import RESULTS

MAX_LISTED_ROWS = 50  # of constant images, and of doubtful ones


@dataclass
class Settings:
    nearly_black: Annotated[float, Ge(0), Le(255)] = 10.0  # mean gray level, for an image to count as dark


def main(settings: Settings, store: ArtifactStore) -> None:
    table, source = store.read("dataset"), store.read("source", track=False)
    emotions = store.read("emotions")
    analysis = {
        "data": source["label"],
        "counts": count_by_emotion(table, emotions),
        "duplicates": find_duplicates(table),
        "images": measure_images(table, emotions, settings.nearly_black),
    }
    votes = store.read("votes")
    if len(votes):
        analysis["votes"] = analyze_votes(table["emotion"], votes, emotions)
    write_json(RESULTS / "analysis.json", analysis)
    store.write(analysis=analysis)
    print_report(analysis)


def count_by_emotion(table: Table, emotions: Emotions) -> dict[str, dict[str, int]]:
    """Return {Usage: {emotion: count}}, the emotions sorted by their count over all splits, largest first."""
    counts = count_faces(table["emotion"], table["Usage"], emotions)
    order = counts.sum(axis=0).argsort(kind="stable")[::-1]
    return {
        usage: {emotions[label]: int(row[label]) for label in order}
        for usage, row in zip(USAGES, counts, strict=True)
    }


def find_duplicates(table: Table) -> dict[str, Any]:
    """Find groups of images with the same pixels; return their numbers."""
    image_id, _ = pd.factorize(pd.Series([pixels.tobytes() for pixels in table["pixels"]]))
    rows = pd.DataFrame({"image": image_id, "emotion": table["emotion"], "Usage": table["Usage"]})
    groups = rows.groupby("image")
    images = {usage: rows.image[rows.Usage == usage] for usage in USAGES}
    return {
        "groups": int((groups.size() > 1).sum()),
        "repeated_rows": int(len(rows) - len(groups)),
        "repeated_rows_within": {usage: int(images[usage].duplicated().sum()) for usage in USAGES},
        "also_in_training": {
            usage: int(images[usage].isin(images["Training"]).sum()) for usage in USAGES[1:]
        },
        "groups_with_different_labels": int((groups.emotion.nunique() > 1).sum()),
    }


def measure_images(table: Table, emotions: Emotions, nearly_black: float) -> dict[str, Any]:
    """Count constant and nearly black images; measure brightness (mean gray level) and contrast (its std)."""
    pixels = table["pixels"].reshape(-1, PIXELS)
    brightness, contrast = pixels.mean(axis=1), pixels.std(axis=1, dtype=np.float32)
    is_constant = pixels.min(axis=1) == pixels.max(axis=1)
    measures = pd.DataFrame({"brightness": brightness, "contrast": contrast})
    return {
        "constant": int(is_constant.sum()),
        "constant_rows": [int(row) + 1 for row in np.flatnonzero(is_constant)[:MAX_LISTED_ROWS]],
        "nearly_black": int((brightness < nearly_black).sum()),
        "brightness_mean": round(float(brightness.mean()), 2),
        "brightness_std": round(float(brightness.std()), 2),
        "contrast_mean": round(float(contrast.mean()), 2),
        "per_emotion": {
            emotions[label]: {name: round(float(value), 2) for name, value in row.items()}
            for label, row in measures.groupby(table["emotion"]).mean().iterrows()
        },
    }


def analyze_votes(emotion: np.ndarray, votes: np.ndarray, emotions: Emotions) -> dict[str, Any]:
    """Compare the labels (N,) with the voters' majority; find the faces on which voters disagree most.

    Entropy is that of the votes for the emotions, in bits: 0 if all agree.
    """
    winner = majority(votes, emotions)
    is_clear = winner != NO_MAJORITY
    agrees = winner == emotion
    shares = vote_distribution(votes, emotions)
    entropy = -np.sum(shares * np.log2(np.maximum(shares, np.finfo(np.float32).tiny)), axis=1)
    rows = [(name, is_clear & (emotion == label)) for label, name in enumerate(emotions)]
    doubtful = np.argsort(-entropy, kind="stable")[:MAX_LISTED_ROWS]
    return {
        "faces_with_majority": int(is_clear.sum()),
        "agreement": round(float(agrees[is_clear].mean()), 4),
        "per_emotion": {
            name: {
                "faces": int(selected.sum()),
                "agreement": round(float(agrees[selected].mean()), 4) if selected.any() else None,
                "entropy_bits": round(float(entropy[selected].mean()), 3) if selected.any() else None,
            }
            for name, selected in rows
        },
        "most_doubtful_rows": [int(row) + 1 for row in doubtful],
    }


def print_report(analysis: dict[str, Any]) -> None:
    """Print the counts and measures per emotion as a table, and the defects."""
    duplicates, images = analysis["duplicates"], analysis["images"]
    counts = pd.DataFrame(analysis["counts"]).rename(columns=SPLITS)
    counts["all"] = counts.sum(axis=1)
    counts["share"] = (counts["all"] / counts["all"].sum()).map("{:.1%}".format)
    print(counts.join(pd.DataFrame(images["per_emotion"]).T).to_string())

    leaked = " and ".join(
        f"{count:,} {usage} rows" for usage, count in duplicates["also_in_training"].items()
    )
    print(
        f"  duplicates: {duplicates['repeated_rows']:,} rows in {duplicates['groups']:,} groups of equal images"
    )
    print(f"  leakage: {leaked} are also in Training")
    print(f"  inconsistent labels: {duplicates['groups_with_different_labels']:,} groups of equal images")
    print(f"  blank images: {images['constant']:,} constant, {images['nearly_black']:,} nearly black")
    if "votes" in analysis:
        votes = analysis["votes"]
        print(
            f"  voters: the majority agrees with the label on {votes['agreement']:.1%} of "
            f"{votes['faces_with_majority']:,} faces"
        )
        print(pd.DataFrame(votes["per_emotion"]).T.astype({"faces": int}).to_string())
    print("  table: results/analysis.json")


if __name__ == "__main__":
    run_step(main, Settings)
