"""Search hyperparameters with Optuna: run step 8 once per trial, and rank the trials by validation accuracy.

Each trial is a process of its own, so that one that runs out of memory or diverges costs only itself. It reports its
epochs to the database, and ends early where most earlier trials were better at the same epoch. An interrupted trial
stays in the database as running, and is the first to continue: its training has a checkpoint.
"""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from pipeline.training.recipes import RECIPES, RecipeName
from pipeline.training.trial import WARMUP_ATTRIBUTE, connect_storage
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.processes import SIGNALLED, is_interruption, run_and_wait
from pipeline.workflow.steps import ROOT

SCRIPT = "Compiling_model.py"
INPUTS = ("model", "train_x", "train_y", "val_x", "val_y")
SIGNIFICANT_DIGITS = 3  # of a number on the command line
MIN_COMPLETE = 4  # trials from which the importance of a setting can be estimated
MAX_FAILURES = 3  # of the first trials; if all of them fail, the settings are at fault

Space = Mapping[str, BaseDistribution]


def open_study(
    store: ArtifactStore, space: Space, recipe: RecipeName, flags: Sequence[str], n_epochs: int, seed: int
) -> optuna.Study:
    """Return the study of trainings that can be compared: of one network, on the same faces, with the same flags.

    Args:
        store: Of the artifacts that step 8 reads.
        space: What is searched.
        recipe: Of all trials. The first trial has its values, where the space contains them.
        flags: Of all trials.
        n_epochs: Epochs of a trial; in the first quarter of them none is pruned.
        seed: Of the sampler.
    """
    identity = {
        "inputs": {name: store.entry(name)["sha256"] for name in INPUTS},
        "space": {name: repr(distribution) for name, distribution in space.items()},
        "flags": list(flags),
        "code": [(ROOT / path).read_text("utf-8") for path in (SCRIPT, "pipeline/training/recipes.py")],
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    storage = connect_storage(store.folder)
    study = optuna.create_study(
        study_name=f"search_{digest}", storage=storage, direction="maximize", load_if_exists=True
    )
    n_trials = len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed + n_trials)  # the same seed would repeat trials
    study.set_user_attr(WARMUP_ATTRIBUTE, n_epochs // 4)
    if n_trials == 0:
        defaults = RECIPES["baseline"] | RECIPES[recipe]
        known = [name for name in space if name in defaults and contains(space[name], defaults[name])]
        study.enqueue_trial({name: defaults[name] for name in known})
    return study


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Return whether a range or a choice contains a value."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except ValueError:  # no choice of a CategoricalDistribution
        return False


def run_trials(
    study: optuna.Study,
    store: ArtifactStore,
    space: Space,
    flags: Sequence[str],
    n_trials: int,
    max_minutes: float = 0,
) -> bool:
    """Run trials until the study has `n_trials` that ended, or the time is over; print a line before and after each.

    Args:
        study: From `open_study`.
        store: From which the checkpoints of failed trials are deleted.
        space: What is searched.
        flags: Of all trials.
        n_trials: Of the study, those of earlier runs included.
        max_minutes: No trial starts after that time; 0: no limit.

    Returns:
        Whether it was interrupted, as by Ctrl-C.

    Raises:
        ValueError: If the first trials all failed.
    """
    started_s = time.monotonic()
    while (n_ended := len(list_ended(study))) < n_trials:
        if max_minutes and time.monotonic() - started_s >= 60 * max_minutes:
            print(f"  {max_minutes:g} minutes are over.")
            break
        number = next(iter(list_running(study)), None)
        number = study.ask(dict(space)).number if number is None else number
        arguments = [*flags, *format_values(study.get_trials(deepcopy=False)[number].params)]
        print(f"  trial {number + 1} ({n_ended + 1} of {n_trials}): {' '.join(arguments)}", flush=True)
        trial_started_s = time.monotonic()
        status, output = run_training([*arguments, "--trial", f"{study.study_name}/{number}"])
        if is_interruption(status):
            return True
        if study.get_trials(deepcopy=False)[number].state == TrialState.RUNNING:
            record_failure(study, number, status, output)
            remove_checkpoint(store, f"{study.study_name}/{number}")
        seconds = time.monotonic() - trial_started_s
        print(f"    {describe(study.get_trials(deepcopy=False)[number])}, {seconds:.0f} s", flush=True)
        check_failures(study)
    return False


def run_training(arguments: Sequence[str]) -> tuple[int, str]:
    """Run step 8 with flags; return its exit status and what it printed."""
    with tempfile.TemporaryFile() as file:
        status = run_and_wait([sys.executable, str(ROOT / SCRIPT), "--verbose", "0", *arguments], output=file)
        file.seek(0)
        return status, file.read().decode("utf-8", "replace")


def record_failure(study: optuna.Study, number: int, status: int, output: str) -> None:
    """Record a trial whose process ended without a result as failed, with the reason."""
    lines = [line for line in output.splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else f"exit status {status}"
    if status > SIGNALLED:
        reason = f"ended by signal {status - SIGNALLED}; signal 9 is usually a lack of memory"
    trial_id = study.get_trials(deepcopy=False)[number]._trial_id
    study._storage.set_trial_user_attr(trial_id, "error", reason)
    study.tell(number, state=TrialState.FAIL)


def remove_checkpoint(store: ArtifactStore, trial: str) -> None:
    """Delete the checkpoint that a failed trial has left: only so many unfinished trainings are kept."""
    for name, entry in store.manifest()["artifacts"].items():
        if entry["settings"].get("trial") == trial:
            store.remove(name)


def check_failures(study: optuna.Study) -> None:
    """Raise ValueError if there are only failures: another trial would fail for the same reason."""
    ended = list_ended(study)
    if len(ended) >= MAX_FAILURES and all(trial.state == TrialState.FAIL for trial in ended):
        raise ValueError(
            f"The first {len(ended)} trials failed, the last one with: {ended[-1].user_attrs['error']} "
            "Correct the flags, or the ranges in pipeline/training/search_space.py."
        )


def list_ended(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that are complete, pruned or failed."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def list_running(study: optuna.Study) -> list[int]:
    """Return the numbers of the trials that an earlier run has not finished."""
    return [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]


def format_values(values: Mapping[str, Any]) -> list[str]:
    """Return the flags of a trial's values, with numbers rounded to SIGNIFICANT_DIGITS."""
    flags = []
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            flags.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            text = f"{value:.{SIGNIFICANT_DIGITS}g}" if isinstance(value, float) else str(value)
            flags += [flag, text]
    return flags


def describe(trial: FrozenTrial) -> str:
    """Return the result of a trial that ended, in a few words."""
    n_epochs = len(trial.intermediate_values)
    if trial.state == TrialState.COMPLETE:
        return f"validation accuracy {trial.value:.2%}"
    if trial.state == TrialState.PRUNED:
        last = trial.intermediate_values[max(trial.intermediate_values)]
        return f"pruned after epoch {n_epochs}, validation accuracy {last:.2%}"
    return f"failed: {trial.user_attrs.get('error', 'unknown error')}"


def summarize(study: optuna.Study, flags: Sequence[str]) -> dict[str, Any]:
    """Return the trials that ended, the importance of the settings, and the number and command of the best trial.

    Importance, from 0 to 1, is by PED-ANOVA (S. Watanabe et al., 2023); empty below MIN_COMPLETE complete trials.
    """
    ended = list_ended(study)
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    summary: dict[str, Any] = {"study": study.study_name, "importance": {}}
    summary["trials"] = [
        {
            "number": trial.number + 1,
            "state": trial.state.name.lower(),
            "accuracy": trial.value,
            "values": trial.params,
            "result": describe(trial),
        }
        for trial in ended
    ]
    if len(complete) >= MIN_COMPLETE and len({trial.value for trial in complete}) > 1:
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        summary["importance"] = optuna.importance.get_param_importances(study, evaluator=evaluator)
    if complete:
        best = study.best_trial
        summary |= {"best": best.number + 1, "arguments": [*flags, *format_values(best.params)]}
    return summary


@contextmanager
def lock_search(folder: Path) -> Iterator[None]:
    """Let one search at a time use the database in a folder; raise ValueError if another process does."""
    try:
        acquired = FileLock(folder / ".search.lock").acquire(timeout=0)
    except Timeout:
        raise ValueError("Another search is running on this data/. Wait until it has ended.") from None
    with acquired:
        yield
