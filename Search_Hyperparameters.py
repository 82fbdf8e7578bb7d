"""Search hyperparameters of step 8: train many times, keep to the settings that validate best.

Tries the ranges in pipeline/training/search_space.py with Optuna, which learns from the trials so far. A trial is a
training by step 8 in a process of its own, judged by its accuracy on PublicTest; one that is worse than half of the
earlier ones ends early. The test split has no part in it, and data/trained_model stays as it is. Each trial is a line
of results/runs.csv. After Ctrl-C the same command continues.
Needs the extra "search", which `python3 run.py --search` installs.
Reads:  data/model, train_x, train_y, val_x, val_y
Writes: data/search.db, results/search.json and search.png
Run:    python3 run.py --search
        python3 Search_Hyperparameters.py --trials 50 --minutes 120
        python3 Search_Hyperparameters.py --recipe baseline --fixed optimizer=adamw epochs=10
Expect: half an hour on two processor cores for FER2013 and LeNet-5: 20 trials, of which half end early.
"""

from dataclasses import dataclass

from pipeline.workflow.cli import run_app

from pipeline.figures import plots
from pipeline.reporting.search_figure import plot_search
from pipeline.training import search
from pipeline.training.recipes import RecipeName
from pipeline.training.search_space import SEARCH_SPACE
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import check_writable, write_json
from pipeline.workflow.formatting import format_command
from pipeline.workflow.settings import NonNegativeFloat, PositiveInt, Seed
from pipeline.workflow.steps import RESULTS

N_PRINTED = 5  # best trials


@dataclass
class Settings:
    trials: PositiveInt = 20  # of the search in total, those of an earlier run of it included
    minutes: NonNegativeFloat = 0.0  # no trial starts after that time; 0: no limit
    recipe: RecipeName = "augmented"  # of step 8, for all settings that are not searched
    epochs: PositiveInt = 20  # of each trial; a schedule such as cosine spans them
    fixed: tuple[str, ...] = ()  # further settings of all trials, such as keep=best optimizer=sgd
    seed: Seed = 0  # of the choice of the values to try


def main(settings: Settings, store: ArtifactStore) -> None:
    check_writable(RESULTS)
    flags = ["--recipe", settings.recipe, "--epochs", str(settings.epochs), *format_fixed(settings.fixed)]
    with search.lock_search(store.folder):
        study = search.open_study(store, SEARCH_SPACE, settings.recipe, flags, settings.epochs, settings.seed)
        if n_ended := len(search.list_ended(study)):
            print(f"  continuing after {n_ended} trials")
        try:
            is_interrupted = search.run_trials(
                study, store, SEARCH_SPACE, flags, settings.trials, settings.minutes
            )
        finally:
            summary = search.summarize(study, flags)
            save(summary, store)
    if is_interrupted:
        raise KeyboardInterrupt


def format_fixed(assignments: tuple[str, ...]) -> list[str]:
    """Return the flags for settings such as "keep=best"; raise ValueError for other forms."""
    flags = []
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or name in SEARCH_SPACE:
            reason = "is searched" if separator else "has no ="
            raise ValueError(
                f"fixed has {assignment!r}, which {reason}. Write name=value for other settings."
            )
        flags.append(f"--{name.replace('_', '-')}={value}")
    return flags


def save(summary: dict, store: ArtifactStore) -> None:
    """Write the figure and the summary for the report, and print the best trials and the command of the best."""
    source = store.read("source", track=False)
    command = format_command(search.SCRIPT, summary["arguments"]) if "best" in summary else ""
    write_json(RESULTS / "search.json", summary | {"data": source["label"], "command": command})
    if not command:
        print("  No trial is complete yet.")
        return
    plots.save_figure(plot_search(summary), "search", source)
    complete = [trial for trial in summary["trials"] if trial["state"] == "complete"]
    print(f"  The best of {len(summary['trials'])} trials, {len(complete)} of them complete:")
    for trial in sorted(complete, key=lambda trial: trial["accuracy"], reverse=True)[:N_PRINTED]:
        values = " ".join(search.format_values(trial["values"]))
        print(f"  {trial['accuracy']:>7.2%}  trial {trial['number']}: {values}")
    print(f"\nTrain with the best settings:\n  {command}\n  python3 run.py --from 9", flush=True)


if __name__ == "__main__":
    run_app(main, Settings, "Hyperparameter search")
