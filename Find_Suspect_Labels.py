"""Find the training faces whose labels may be wrong, the most suspect first. Not one of the thirteen steps.

By a network: k-fold cross-validation of the network of step 7 gives each training face a prediction by a network that
was not trained on it, and confident learning compares these with the labels. By votes: FER+'s voters, without any
training. After an interruption the same command continues with the next fold.

Reads:  data/dataset, emotions, source, votes, model
Writes: results/suspects.csv, suspects.png; data/suspects (for the report), out_of_fold (the predictions)
Run:    python3 Find_Suspect_Labels.py
        python3 Find_Suspect_Labels.py --recipe residual       for Compact and Strong
        python3 Find_Suspect_Labels.py --by votes
        python3 Pre-processing_Data.py --exclude results/suspects.csv      to train without them
Expect: two to three minutes for LeNet-5 on FER2013, on two processor cores.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from pipeline.workflow.cli import run_tool

import matplotlib.pyplot as plt
import numpy as np
from annotated_types import Ge, Gt, Le
from matplotlib.figure import Figure

from pipeline.data.fer2013 import Emotions, Table
from pipeline.data.pixels import to_float
from pipeline.data.suspect_list import check_origins, write_suspects
from pipeline.data.votes import vote_distribution
from pipeline.evaluation.label_quality import (
    compare_with_voters,
    describe_suspects,
    find_suspects,
    find_suspects_by_votes,
)
from pipeline.figures import plots
from pipeline.figures.formats import FigureFormats
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import PositiveInt, Seed
from pipeline.workflow.steps import RESULTS

N_SHOWN = 50  # faces in the figure and in the report
FIGURE_COLUMNS = 10


@dataclass
class Settings:
    by: Literal["network", "votes"] = "network"  # votes: FER+'s voters, which step 2 loads
    share: Annotated[float, Gt(0), Le(1)] = 0.05  # of the training faces, to list at most

    # Networks
    folds: Annotated[int, Ge(2), Le(100)] = 5  # trainings, each without the faces that it predicts
    recipe: Literal["baseline", "augmented", "residual", "transfer"] = "augmented"  # settings of step 8
    epochs: PositiveInt = 12  # of each training, in place of the recipe's; fewer than for a final network
    seed: Seed = 0  # of the folds and the trainings

    figures: FigureFormats = ("png",)  # formats of the figure: png svg pdf
    show: bool = False  # True: open the figure where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    table, emotions = store.read("dataset"), store.read("emotions")
    source = store.read("source", track=False)
    check_origins(table)
    is_training = table["Usage"] == "Training"
    faces = {name: column[is_training] for name, column in table.items()}
    if settings.by == "network":
        probabilities, method = predict_by_networks(settings, faces, emotions, store)
        suspects = find_suspects(faces["emotion"], probabilities)
        votes = store.read("votes")
        votes = votes[is_training] if len(votes) else votes
    else:
        votes = read_votes(store)[is_training]
        probabilities, method = vote_distribution(votes, emotions), "FER+'s voters"
        suspects = find_suspects_by_votes(faces["emotion"], votes, emotions)
    n_listed = min(len(suspects.rows), round(settings.share * len(faces["emotion"])))
    rows = suspects.rows[:n_listed]
    listed = describe_suspects(suspects, n_listed, faces, probabilities, votes, emotions)
    write_suspects(RESULTS / "suspects.csv", listed)
    summary = {
        "by": settings.by,
        "method": method,
        "faces": len(faces["emotion"]),
        "found": len(suspects.rows),
        "listed": n_listed,
        "voters": compare_with_voters(rows, faces["emotion"], votes, emotions),
        "rows": listed[:N_SHOWN],
        "pixels": faces["pixels"][rows[:N_SHOWN]],
    }
    store.write(suspects=summary)
    print_summary(summary)
    if listed:
        plots.save_figure(plot_suspects(summary), "suspects", source, settings.figures, settings.show)


def predict_by_networks(
    settings: Settings, faces: Table, emotions: Emotions, store: ArtifactStore
) -> tuple[np.ndarray, str]:
    """Return the probabilities (N, K) of each face by a network trained on the other folds, and what they are from."""
    from pipeline.training import out_of_fold  # here, because it starts TensorFlow, which votes do not need

    recipe = out_of_fold.build_short_recipe(settings.recipe, settings.epochs, settings.seed)
    packed = store.read("model", track=False)  # the list is valid for any network
    pixels = to_float(faces["pixels"])[..., np.newaxis]
    targets = np.eye(len(emotions), dtype=np.float32)[faces["emotion"]]
    folds = out_of_fold.split_into_folds(
        faces["emotion"], faces["pixels"], settings.folds, settings.seed, emotions
    )
    print(f"  {packed['name']}: {settings.folds} trainings of {settings.epochs} epochs", flush=True)
    train = partial(out_of_fold.train_and_predict, packed, recipe, pixels, targets)
    sha256 = {name: store.entry(name)["sha256"] for name in ("dataset", "model")}
    dependencies = {"recipe": vars(recipe), "folds": settings.folds, "sha256": sha256}
    probabilities = out_of_fold.predict_out_of_fold(folds, train, store, dependencies)
    accuracy = np.mean(probabilities.argmax(axis=1) == faces["emotion"])
    print(f"  accuracy on the faces that a network was not trained on: {accuracy:.2%}")
    return probabilities, f"{settings.folds} trainings of {packed['name']}"


def read_votes(store: ArtifactStore) -> np.ndarray:
    """Return the votes (N, 10) of step 2; raise ValueError if it loaded none."""
    votes = store.read("votes")
    if not len(votes):
        raise ValueError(
            "by is 'votes', but step 2 loaded no votes. Run: python3 Load_dataSets.py --votes download"
        )
    return votes


def print_summary(summary: dict[str, Any]) -> None:
    """Print how many labels are suspect, what the voters say about them, and how to go on."""
    print(
        f"  {summary['found']:,} of {summary['faces']:,} training labels are suspect; "
        f"results/suspects.csv lists the first {summary['listed']:,}"
    )
    if voters := summary["voters"]:
        of_those = f"{voters['listed']:.1%} of those, and in " if summary["by"] == "network" else ""
        print(
            f"  Most of FER+'s voters see another emotion than the label in {of_those}{voters['all']:.1%} of all"
        )
    print("  To train without them: python3 Pre-processing_Data.py --exclude results/suspects.csv")
    print("  To see them in the report: python3 run.py --report")


def plot_suspects(shown: dict[str, Any]) -> Figure:
    """Plot the first suspects, with the label and the suggested emotion above each."""
    n_rows = -(-len(shown["rows"]) // FIGURE_COLUMNS)
    figure, grid = plt.subplots(
        n_rows,
        FIGURE_COLUMNS,
        figsize=(FIGURE_COLUMNS * 1.25, n_rows * 1.6 + 0.7),
        squeeze=False,
        layout="constrained",
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, facts, pixels in zip(grid.flat, shown["rows"], shown["pixels"], strict=False):
        plots.draw_face(axes, pixels, f"{facts['label']},\n{facts['suggested']}?")
    figure.suptitle(
        "The most suspect labels of the training split, and what is suggested instead", fontsize=11
    )
    figure.get_layout_engine().set(rect=(0.01, 0.05, 0.98, 0.94))
    return figure


if __name__ == "__main__":
    run_tool(main, Settings, "Suspect labels")
