"""Connect a training to the hyperparameter search that started it: report its epochs, and learn when to end.

The search (pipeline/training/search.py) and its trainings share the database data/search.db.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

DATABASE = "search.db"  # in data/
WARMUP_ATTRIBUTE = "n_warmup_epochs"  # of a study: first epochs of a trial, in which it is not pruned
MIN_TRIALS = 5  # that are complete before one is pruned


def connect_storage(folder: Path) -> optuna.storages.RDBStorage:
    """Return the database of all searches in a folder, data/; it is created if it does not exist."""
    import optuna  # here, because it is an extra that trainings do without

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder.resolve() / DATABASE
    return optuna.storages.RDBStorage(
        f"sqlite:///{path.as_posix()}", engine_kwargs={"connect_args": {"timeout": 60}}
    )


class Trial:
    """One training of a search.

    Attributes:
        name: <study>/<number>, with the trial's number from 0.
        is_pruned: Whether the training is to end because most others were better at the same epoch.
    """

    def __init__(self, name: str, folder: Path):
        """Connect to the trial `name` in the database in `folder`.

        Raises:
            ValueError: If there is no such trial.
        """
        import optuna

        study_name, _, number = name.rpartition("/")
        try:
            self._study = optuna.load_study(study_name=study_name, storage=connect_storage(folder))
            frozen = self._study.get_trials(deepcopy=False)[int(number)]
        except (KeyError, ValueError, IndexError):
            raise ValueError(
                f"trial is {name!r}, which is no trial of a search. Run: python3 Search_Hyperparameters.py"
            ) from None
        n_warmup_epochs = self._study.user_attrs.get(WARMUP_ATTRIBUTE, 0)
        self._study.pruner = optuna.pruners.MedianPruner(MIN_TRIALS, n_warmup_epochs)
        self.name = name
        self._trial = optuna.trial.Trial(self._study, frozen._trial_id)
        self._n_reported = len(frozen.intermediate_values)
        self.is_pruned = False

    def report(self, accuracies: list[float]) -> None:
        """Report the validation accuracies of all epochs so far, and set `is_pruned`."""
        for epoch in range(self._n_reported, len(accuracies)):
            self._trial.report(accuracies[epoch], epoch)
        self._n_reported = len(accuracies)
        self.is_pruned = self._trial.should_prune()

    def finish(self, accuracy: float) -> None:
        """Record the trial as complete with the validation accuracy of the weights to keep, or as pruned."""
        import optuna

        states = optuna.trial.TrialState
        if self.is_pruned:
            self._study.tell(self._trial, state=states.PRUNED)
        else:
            self._study.tell(self._trial, accuracy, state=states.COMPLETE)


def open_trial(name: str, folder: Path) -> Trial | None:
    """Return the trial of a search that a training belongs to; None if `name` is empty."""
    return Trial(name, folder) if name else None
