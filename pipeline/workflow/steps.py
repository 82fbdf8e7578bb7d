"""The thirteen steps: their order, and what each reads, writes and shows.

This is a description for people and for run.py. That it is true is tested: a full run must read, write and
show exactly this.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
RESULTS = ROOT / "results"


@dataclass(frozen=True)
class Step:
    """One script: `reads` and `writes` are artifacts in data/, `shows` are files in results/ (* is a network)."""

    number: int
    script: str
    title: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


ARRAYS = ("train_x", "train_y", "val_x", "val_y", "test_x", "test_y")

STEPS = (
    Step(1, "Import_Libraries.py", "Libraries and devices", (), ("environment",)),
    Step(2, "Load_dataSets.py", "Load the faces", (), ("dataset", "source")),
    Step(
        3,
        "Analizing_DataSet.py",
        "Analyze the data set",
        ("dataset", "source"),
        ("analysis",),
        ("analysis.json",),
    ),
    Step(
        4,
        "Visualize_the_DataSet_Graph.py",
        "Class distribution",
        ("analysis", "source"),
        (),
        ("class_distribution.png",),
    ),
    Step(
        5,
        "Visualize_Emotions.py",
        "Faces of each emotion",
        ("dataset", "source"),
        (),
        ("emotions.png", "mean_faces.png"),
    ),
    Step(6, "Pre-processing_Data.py", "Arrays to train on", ("dataset",), ARRAYS),
    Step(
        7,
        "LeNet-5_model.py",
        "The network",
        ("source",),
        ("model",),
        ("model.png", "model.txt", "model.json"),
    ),
    Step(
        8,
        "Compiling_model.py",
        "Compile and train",
        ("model", *ARRAYS[:4]),
        ("trained_model", "history"),
        ("runs.csv",),
    ),
    Step(
        9,
        "Performance.py",
        "Accuracy",
        ("trained_model", "history", "source", *ARRAYS),
        ("predictions", "metrics"),
        ("metrics.json",),
    ),
    Step(
        10,
        "Visualize_Training_&_Validation.py",
        "Learning curves",
        ("history", "source"),
        (),
        ("learning_curves.png",),
    ),
    Step(
        11,
        "Confusion_Matrix.py",
        "Where it errs",
        ("predictions", "source", "test_x"),
        (),
        ("confusion_matrix.png", "confused_pairs.png"),
    ),
    Step(
        12,
        "Classification.py",
        "Report per emotion, new pictures",
        ("predictions", "source", "test_x"),
        (),
        ("classification_report.json", "examples.png"),
    ),
    Step(
        13,
        "Save_model.py",
        "Save the model",
        ("trained_model", "history", "metrics", "source", "train_x", "test_x", "test_y"),
        (),
        tuple(f"FER_CNN_*.{ending}" for ending in ("keras", "h5", "tflite", "json", "md", "zip")),
    ),
)


def get_step(script: str) -> Step:
    """The step that a script is; any other `<Name>_model.py` at the top is another way to do step 7."""
    for step in STEPS:
        if step.script == script:
            return step
    if script.endswith("_model.py"):
        network = STEPS[6]
        return Step(7, script, network.title, network.reads, network.writes, network.results)
    raise ValueError(f"{script} is none of the thirteen steps.")
