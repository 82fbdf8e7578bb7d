"""Declare the thirteen steps: their order, and what each one reads and writes.

For readers and for run.py. A test checks that a run of all steps reads and writes exactly this.
"""

from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
RESULTS = ROOT / "results"

ARRAYS = ("train_x", "train_y", "val_x", "val_y", "test_x", "test_y")
EXPORTS = tuple(f"FER_CNN_*.{suffix}" for suffix in ("keras", "h5", "tflite", "json", "md", "zip"))


@dataclass(frozen=True)
class Step:
    """One step of the pipeline.

    Attributes:
        number: 1 to 13.
        script: File name of the script.
        title: What the step does, in a few words.
        reads: Artifacts in data/ that it reads. Not here: `source`, the caption of all results, which is no
            dependency, so that renaming the data set makes nothing stale.
        writes: Artifacts in data/ that it writes.
        results: Files in results/ that it writes; * stands for the name of the network.
    """

    number: int
    script: str
    title: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


# fmt: off
STEPS = (
    Step(1, "Import_Libraries.py", "Libraries and devices",
         writes=("environment",)),
    Step(2, "Load_dataSets.py", "Load the faces",
         writes=("dataset", "emotions", "source", "votes")),
    Step(3, "Analizing_DataSet.py", "Analyze the data set",
         reads=("dataset", "emotions", "votes"), writes=("analysis",), results=("analysis.json",)),
    Step(4, "Visualize_the_DataSet_Graph.py", "Class distribution",
         reads=("analysis",), results=("class_distribution.png",)),
    Step(5, "Visualize_Emotions.py", "Faces of each emotion",
         reads=("dataset", "emotions", "votes"), results=("emotions.png", "mean_faces.png")),
    Step(6, "Pre-processing_Data.py", "Arrays for training",
         reads=("dataset", "emotions", "votes"), writes=(*ARRAYS, "ground_truth")),
    Step(7, "LeNet-5_model.py", "Build the network",
         reads=("emotions",), writes=("model",), results=("model.png", "model.txt", "model.json")),
    Step(8, "Compiling_model.py", "Compile and train",
         reads=("model", "emotions", *ARRAYS[:4]), writes=("trained_model", "history"), results=("runs.csv",)),
    Step(9, "Performance.py", "Accuracy",
         reads=("trained_model", "history", "emotions", "ground_truth", *ARRAYS[::2]),
         writes=("predictions", "metrics"), results=("metrics.json",)),
    Step(10, "Visualize_Training_&_Validation.py", "Learning curves",
         reads=("history",), results=("learning_curves.png",)),
    Step(11, "Confusion_Matrix.py", "Confusion matrices",
         reads=("predictions", "test_x"), results=("confusion_matrix.png", "confused_pairs.png")),
    Step(12, "Classification.py", "Report per emotion, new images",
         reads=("predictions", "test_x"), results=("classification_report.json", "examples.png")),
    Step(13, "Save_model.py", "Export the model",
         reads=("trained_model", "history", "metrics", "emotions", "test_x", "ground_truth"), results=EXPORTS),
)
# fmt: on
BUILD_STEP = STEPS[6]


def get_step(script: str) -> Step:
    """Return the step of a script.

    Raises:
        ValueError: If the script is not one of the thirteen steps, such as a copy under another name.
    """
    for step in STEPS:
        if step.script == script:
            return step
    originals = (step.script for step in STEPS if Path(step.script).stem in script)
    hint = next((f" Rename it to {original} to run it as that step." for original in originals), "")
    raise ValueError(
        f"{script} is not one of the thirteen steps, which run under their own names; only step 7 may have any name."
        + hint
    )


def get_build_step(script: str) -> Step:
    """Return step 7 with another script than LeNet-5_model.py."""
    return replace(BUILD_STEP, script=script)


def list_build_scripts() -> list[str]:
    """Return the scripts that can be step 7: those that call run_build_step."""
    scripts = (path for path in ROOT.glob("*.py") if path.is_file())
    return sorted(
        path.name
        for path in scripts
        if "run_build_step(" in path.read_text(encoding="utf-8", errors="replace")
    )
