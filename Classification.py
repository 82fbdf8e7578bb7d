"""Step 12: the report per emotion, right and wrong examples, and the emotions in new pictures.

Reads data/predictions and test_x, and data/trained_model where pictures are named; where nothing was trained, the
best network of models/ recognises them. Shows results/classification_report.json and results/examples.png; for new
pictures results/classification.csv and results/new_pictures.png.
Run:    python Classification.py
        python Classification.py --images me.png ~/faces more_faces.csv
        python Classification.py --images me.png --model models/Compact.keras --views 2
Expect: the best figures for Happy and Surprise, the worst for Fear. A new picture must be one face, cut out
closely, as in FER2013; it is turned grey and resized to 48x48.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline import dataset, plots
from pipeline.cache import Cache
from pipeline.cli import run_step
from pipeline.dataset import EMOTIONS
from pipeline.files import write_json, write_text
from pipeline.steps import RESULTS

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report
from tqdm import tqdm

MOST_SHOWN = 14  # faces in results/new_pictures.png; the table has them all


@dataclass
class Settings:
    images: tuple[str, ...] = ()  # new pictures: files, folders, CSVs of FER2013 rows; none: only the report
    model: str = ""  # .keras file for new pictures; "": the one trained in data/, else models/Strong.keras
    views: Literal[1, 2, 18] = 1  # of each new face, to average over: 2 with its mirror image, 18 shifted too
    examples: int = 7  # right ones and wrong ones to show, 1 to 12 each
    seed: int = 0  # of their choice
    show: bool = False  # True: open the pictures where there is a display


def main(settings: Settings, cache: Cache) -> None:
    if not 1 <= settings.examples <= 12:
        raise ValueError(f"examples is {settings.examples}, but must lie between 1 and 12.")
    images = [image for image in settings.images if image]
    if not images:
        report(settings, cache)
        return
    try:
        report(settings, cache)
    except (ValueError, FileNotFoundError) as error:  # new pictures need no report on old ones
        print(f"  no report on the test split: {error}")
    classify(images, settings, cache)


# --------------------------------------------------------------------------------------------------
# The test split
# --------------------------------------------------------------------------------------------------
def report(settings: Settings, cache: Cache) -> None:
    predictions, source = cache.read("predictions")["test"], cache.read("source")
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    predicted = probabilities.argmax(axis=1)
    wanted = {"labels": range(len(EMOTIONS)), "target_names": EMOTIONS, "zero_division": 0}
    print(classification_report(labels, predicted, digits=3, **wanted))
    figures = classification_report(labels, predicted, output_dict=True, **wanted)
    write_json(RESULTS / "classification_report.json", {"data": source["label"], "split": "test", **figures})
    print("  table: results/classification_report.json")

    faces = cache.read("test_x")
    rng = np.random.default_rng(settings.seed)
    lines = []
    for heading, rows in (("Recognised", predicted == labels), ("Mistaken", predicted != labels)):
        chosen = rng.choice(np.flatnonzero(rows), min(settings.examples, rows.sum()), replace=False)
        answers = [
            plots.Answer(faces[row], probabilities[row], titled(labels[row], predicted[row]), labels[row])
            for row in chosen
        ]
        lines.append((f"{heading}: {rows.sum():,} of {len(rows):,} test faces", answers))
    plots.save(plots.gallery(lines), "examples.png", source, settings.show)


def titled(label: int, predicted: int) -> str:
    return EMOTIONS[label] if label == predicted else f"{EMOTIONS[label]}, taken for {EMOTIONS[predicted]}"


# --------------------------------------------------------------------------------------------------
# New pictures
# --------------------------------------------------------------------------------------------------
def classify(images: list[str], settings: Settings, cache: Cache) -> None:
    """Recognise the emotion in each new picture; goes on past those that cannot be read and lists them."""
    # Here, because TensorFlow takes seconds to start, and the report alone need not wait for it.
    from pipeline import network

    names, faces, unreadable = [], [], []
    for path in tqdm(named_files(images), desc="Reading pictures", unit="file", delay=1, leave=False):
        try:
            for name, face in read_faces(path):
                names.append(name)
                faces.append(face)
        except (ValueError, OSError) as error:
            unreadable.append(str(error))
    for reason in unreadable:
        print(f"  not read: {reason}")
    if not faces:
        raise ValueError(f"None of the pictures named by images could be read: {', '.join(images)}")

    model, trained_on = chosen_model(settings.model, cache)
    pixels = np.stack(faces)[..., np.newaxis]
    probabilities = network.predict(model, np.divide(pixels, 255.0, dtype=np.float32), views=settings.views)
    table = tabulate(names, probabilities)
    write_text(
        RESULTS / "classification.csv", table.to_csv(index=False, float_format="%.4f", lineterminator="\n")
    )
    print(table.head(20).to_string(index=False, float_format="{:.2f}".format))
    print(f"  table: results/classification.csv, {len(table):,} faces, {len(unreadable):,} files not read")
    draw(names, pixels, probabilities, trained_on, settings.show)


def chosen_model(path: str, cache: Cache) -> tuple[Any, dict[str, Any]]:
    """The network that is to recognise new pictures, and the source of the faces that it was trained on."""
    from pipeline import network, shipped

    if not path and cache.has("trained_model"):
        print("  recognised by the network trained in data/")
        return network.unpack(cache.read("trained_model")), cache.read("source")
    file = Path(path or shipped.BEST).expanduser()
    model, card = network.load(file), shipped.card_of(file)
    print(f"  recognised by {file.name}")
    told = card or {"is_sample": False, "data": "data that no card names"}
    return model, {"is_sample": told["is_sample"], "label": told["data"]}


def named_files(images: list[str]) -> list[Path]:
    """All files that `images` names, folders searched through for pictures and CSVs."""
    files: list[Path] = []
    for image in images:
        path = Path(os.path.expanduser(image))
        if path.is_dir():
            files += sorted(inner for inner in path.rglob("*") if is_csv(inner) or is_picture(inner))
        else:
            files.append(path)
    return files


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in dataset.PICTURES and not path.name.startswith(".")


def is_csv(path: Path) -> bool:
    return path.name.lower().endswith((".csv", ".csv.gz", ".csv.xz", ".csv.zip"))


def read_faces(path: Path) -> list[tuple[str, np.ndarray]]:
    """The faces of a file by name, each (48, 48) uint8: one of a picture, many of a CSV."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")  # a name need not be UTF-8
    if not path.exists():
        raise FileNotFoundError(f"{name} is not there.")
    if is_csv(path):
        pixels = dataset.read_csv(path, needed=("pixels",))["pixels"]
        return [(f"{name}, row {row:,}", face) for row, face in enumerate(pixels, start=1)]
    return [(name, dataset.read_face(path))]


def tabulate(names: list[str], probabilities: np.ndarray) -> pd.DataFrame:
    """One row a face: its name, the emotion, how sure, and all seven probabilities."""
    # A spreadsheet would run a name that begins like a formula.
    harmless = ["'" + name if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name for name in names]
    told: dict[str, Any] = {
        "face": harmless,
        "emotion": [EMOTIONS[label] for label in probabilities.argmax(axis=1)],
        "confidence": probabilities.max(axis=1),
    }
    return pd.DataFrame(told | dict(zip(EMOTIONS, probabilities.T, strict=True)))


def draw(names: list[str], pixels: np.ndarray, probabilities: np.ndarray, source: dict, show: bool) -> None:
    """A picture of the first faces with their probabilities."""
    shown = min(len(names), MOST_SHOWN)
    answers = [
        plots.Answer(pixels[row], probabilities[row], Path(names[row]).name[-24:]) for row in range(shown)
    ]
    lines = [
        ("New pictures" if not start else "", answers[start : start + 7]) for start in range(0, shown, 7)
    ]
    trained_on = source | {"label": f"new pictures; the network was trained on {source['label']}"}
    plots.save(plots.gallery(lines), "new_pictures.png", trained_on, show)


if __name__ == "__main__":
    run_step(main, Settings)
