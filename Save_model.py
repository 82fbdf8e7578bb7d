"""Step 13: export the trained network for use elsewhere.

Writes results/FER_CNN_<network> in each chosen format, loads the file again in that format's own runtime, and compares
its predictions with the network's on the test split. A file whose predictions differ is not saved. A model card (.md
for people, .json for programs) lists labels, preprocessing, checksums, metrics and the commands that reproduce the
model; FER_CNN_<network>.zip contains the files and the card. These replace all previous files of the same name, other
formats included. The .keras and .h5 files are compiled: Keras can evaluate them and train them further.
Reads:  data/trained_model, history, metrics, emotions, source, test_x, ground_truth
Writes: results/FER_CNN_<network>.*, results/metrics.json
Run:    python3 Save_model.py
        python3 Save_model.py --formats keras litert litert_float16 litert_int8 onnx saved_model
        python3 Save_model.py --folder models --name Compact --formats keras litert
Expect: a few seconds for each format; float32 formats agree with the network to six digits.
        pipeline/inference/classifier.py runs the saved files.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pipeline.workflow.cli import run_step

import pandas as pd
from annotated_types import MinLen

from pipeline.data.pixels import to_uint8
from pipeline.evaluation.predict import predict_proba
from pipeline.inference.export import FORMATS, FormatName, export_checked
from pipeline.inference.model_card import build_model_card, render_model_card
from pipeline.inference.model_files import FileName, create_new_folder, replace_model_files
from pipeline.models import serialization
from pipeline.models.backend import keras
from pipeline.training.optimizers import compile_trained
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json, write_text
from pipeline.workflow.results_index import list_other_networks, record_network
from pipeline.workflow.steps import RESULTS, ROOT, STEPS


@dataclass
class Settings:
    folder: str = "results"  # results, or models for the models that ship with the project
    name: FileName = ""  # of the files; empty: FER_CNN_<network>
    formats: Annotated[tuple[FormatName, ...], MinLen(1)] = ("keras", "h5", "litert")  # of the files
    note: str = ""  # text for the model card, such as how the model was chosen


def main(settings: Settings, store: ArtifactStore) -> None:
    check_name(settings.name)
    trained = store.read("trained_model")
    model = serialization.unpack(trained)
    compile_trained(model, store.entry("trained_model")["settings"])
    name = settings.name or f"FER_CNN_{trained['name']}"
    folder = ROOT / settings.folder

    with create_new_folder(folder, name) as new_folder:
        formats, errors = export_formats(settings, model, new_folder, name, store)
        if not formats:
            raise ValueError(" ".join(["No file was saved.", *errors]))
        print(format_table(formats))
        card = build_model_card(name, settings.note, model, formats, store)
        write_json(new_folder / f"{name}.json", card)
        write_text(new_folder / f"{name}.md", render_model_card(card))
        if settings.folder == "results":
            write_zip(new_folder, new_folder / f"{name}.zip")
            with record_network(store, *(path.name for path in new_folder.iterdir())):
                replace_model_files(folder, name, new_folder)
        else:
            replace_model_files(folder, name, new_folder)
    write_json(RESULTS / "metrics.json", store.read("metrics") | {"exports": formats})
    print(f"  Saved the model card as {settings.folder}/{name}.md and .json")
    if settings.folder == "results":
        print(f"  Saved all files in {settings.folder}/{name}.zip")
        print_other_networks(store)
    if errors:
        raise ValueError(" ".join(["Some formats were not saved.", *errors]))


def check_name(name: str) -> None:
    """Raise ValueError for a name under which another step writes, such as metrics."""
    other_names = {Path(file).stem for step in STEPS if step.number != 13 for file in step.results}
    if name.lower() in other_names:
        raise ValueError(
            f"name is {name!r}, under which another step writes to results/. Choose another one."
        )


def export_formats(
    settings: Settings, model: keras.Model, folder: Path, name: str, store: ArtifactStore
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Export a network to each format; return file name -> measurements, and the errors of rejected files."""
    faces, labels = store.read("test_x"), store.read("ground_truth")["test"]["label"]
    expected = predict_proba(model, faces)
    emotions = store.read("emotions")
    formats: dict[str, dict[str, Any]] = {}
    errors: list[str] = []
    for format_name in settings.formats:
        path = folder / f"{name}{FORMATS[format_name].suffix}"
        try:
            formats[path.name] = export_checked(
                model, format_name, path, to_uint8(faces), labels, expected, emotions
            )
        except ImportError as error:
            print(f"  Skipped {format_name}: {error}")
        except ValueError as error:
            errors.append(str(error))
    return formats, errors


def format_table(formats: dict[str, dict[str, Any]]) -> str:
    """Format the measurements as a table with one row per file.

    Columns: size, largest difference of a probability from the trained network's, share of the test faces to which both
    give the same answer, test accuracy, milliseconds for one face (median, 99th percentile), faces/s in batches.
    """
    table = pd.DataFrame(formats).T
    columns = {
        "MB": (table.bytes / 1e6).map("{:.2f}".format),
        "difference": table.largest_difference.map(
            lambda difference: f"{difference:.0e}" if difference else "0"
        ),
        "same answer": table.agreement.map("{:.2%}".format),
        "accuracy": table.accuracy.map("{:.2%}".format),
        "ms/face": table.milliseconds.map("{:.2f}".format),
        "slowest 1%": table.milliseconds_99.map("{:.2f}".format),
        "faces/s": table.faces_per_second.map("{:,.0f}".format),
    }
    return pd.DataFrame(columns).to_string()


def write_zip(folder: Path, path: Path) -> None:
    """Write all files of a folder into a zip archive, with paths relative to the folder."""
    members = [member for member in sorted(folder.rglob("*")) if member.is_file()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.write(member, member.relative_to(folder))


def print_other_networks(store: ArtifactStore) -> None:
    """Name the exported files in results/ that are not of the trained network, such as of a format not chosen now."""
    if other := list_other_networks(store, sorted(path.name for path in RESULTS.glob("FER_CNN_*"))):
        print(f"  Of another network than the trained one: {', '.join(other)}")


if __name__ == "__main__":
    run_step(main, Settings)
