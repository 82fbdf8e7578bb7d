"""A hyperparameter search: it learns, prunes, resumes, and survives trials that fail. Trainings are simulated."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from pipeline.training import search, trial
from pipeline.training.trial import Trial
from pipeline.workflow.artifacts import ArtifactStore

SPACE = {
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "flip": CategoricalDistribution([True, False]),
}
FLAGS = ["--recipe", "augmented", "--epochs", "4"]
INTERRUPTED = 130


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with the inputs of step 8; searches on it are kept in memory, which is faster than in a file."""
    storage = optuna.storages.InMemoryStorage()
    for module in (search, trial):
        monkeypatch.setattr(module, "connect_storage", lambda folder: storage)
    store = ArtifactStore(tmp_path / "data", "test")
    store.write(**dict.fromkeys(search.INPUTS, 0))
    return store


@pytest.fixture
def simulate(store, monkeypatch):
    """Return a function that replaces trainings: an accuracy depends on the learning rate, best at 0.01, and on flip.

    `failures` maps a trial's number to the exit status and the output of its process.
    """

    def replace_training(failures: dict[int, tuple[int, str]] | None = None) -> list[list[str]]:
        calls: list[list[str]] = []

        def train(arguments):
            calls.append(arguments)
            name = arguments[arguments.index("--trial") + 1]
            if result := (failures or {}).pop(int(name.rpartition("/")[2]), None):
                ArtifactStore(store.folder, settings={"trial": name}).write(checkpoint_0=0)
                return result
            running = Trial(name, store.folder)
            rate = float(arguments[arguments.index("--learning-rate") + 1])
            best = 0.6 - 0.1 * abs(math.log10(rate) + 2) + 0.05 * ("--flip" in arguments)
            for epoch in range(1, 5):
                running.report([best * n / 4 for n in range(1, epoch + 1)])
                if running.is_pruned:
                    break
            running.finish(best)
            return 0, ""

        monkeypatch.setattr(search, "run_training", train)
        return calls

    return replace_training


def open_study(store, seed: int = 0, flags: list[str] = FLAGS):
    return search.open_study(store, SPACE, "augmented", flags, n_epochs=4, seed=seed)


def test_a_search_finds_the_best_settings_and_prunes_poor_trials(store, simulate):
    calls = simulate()
    study = open_study(store)
    assert search.run_trials(study, store, SPACE, FLAGS, n_trials=16) is False
    summary = search.summarize(study, FLAGS)
    states = [trial["state"] for trial in summary["trials"]]
    pruned = [trial for trial in search.list_ended(study) if trial.state.name == "PRUNED"]
    assert all(len(trial.intermediate_values) == 2 for trial in pruned)  # the first of four epochs is spared
    assert len(states) == len(calls) == 16 and set(states) == {"complete", "pruned"}
    assert summary["trials"][0]["values"] == {"learning_rate": 0.002, "flip": True}  # those of the recipe
    assert list(summary["importance"]) == ["learning_rate", "flip"]
    assert sum(summary["importance"].values()) == pytest.approx(1)
    best = summary["arguments"]
    assert best[: len(FLAGS)] == FLAGS and "--flip" in best and len(best) == len(FLAGS) + 3
    assert float(best[best.index("--learning-rate") + 1]) == pytest.approx(0.01, rel=0.5)
    accuracies = [trial["accuracy"] for trial in summary["trials"] if trial["state"] == "complete"]
    assert summary["trials"][summary["best"] - 1]["accuracy"] == max(accuracies)


def test_an_interrupted_search_keeps_its_trials_and_continues_the_interrupted_one(store, simulate):
    calls = simulate({2: (INTERRUPTED, "")})
    assert search.run_trials(open_study(store), store, SPACE, FLAGS, n_trials=4) is True
    before = search.list_ended(open_study(store))
    assert store.has("checkpoint_0")  # from which the interrupted trial continues
    assert [trial.number for trial in before] == [0, 1]
    study = open_study(store)
    assert search.run_trials(study, store, SPACE, FLAGS, n_trials=4) is False
    assert calls[3] == calls[2]  # the same trial with the same values
    ended = search.list_ended(study)
    assert [trial.number for trial in ended] == [0, 1, 2, 3]
    assert len({trial.params["learning_rate"] for trial in ended}) == 4


def test_a_trial_that_fails_costs_only_itself(store, simulate, capsys):
    simulate({0: (1, "Compiling_model.py: The loss is nan.\n\n"), 2: (128 + 9, "")})
    study = open_study(store)
    search.run_trials(study, store, SPACE, FLAGS, n_trials=4)
    summary = search.summarize(study, FLAGS)
    assert [trial["state"] for trial in summary["trials"]] == ["fail", "complete", "fail", "complete"]
    assert "The loss is nan." in summary["trials"][0]["result"]
    assert not store.has("checkpoint_0")
    assert "memory" in summary["trials"][2]["result"] and "The loss is nan." in capsys.readouterr().out


def test_a_search_whose_first_trials_all_fail_stops(store, simulate):
    calls = simulate(dict.fromkeys(range(10), (1, "weight_decay requires adamw")))
    with pytest.raises(ValueError, match="weight_decay requires adamw"):
        search.run_trials(open_study(store), store, SPACE, FLAGS, n_trials=10)
    assert len(calls) == search.MAX_FAILURES


def test_other_data_and_other_flags_make_another_search(store, simulate):
    simulate()
    study = open_study(store)
    search.run_trials(study, store, SPACE, FLAGS, n_trials=1)
    assert open_study(store, seed=1).study_name == study.study_name
    assert open_study(store, flags=[*FLAGS, "--keep=best"]).study_name != study.study_name
    store.write(train_x=np.ones(3))
    other = open_study(store)
    assert other.study_name != study.study_name and search.list_ended(other) == []


def test_no_trial_starts_after_the_time_is_over(store, simulate, monkeypatch):
    calls = simulate()
    seconds = iter(range(0, 10_000, 20))
    monkeypatch.setattr(search.time, "monotonic", lambda: next(seconds))
    search.run_trials(open_study(store), store, SPACE, FLAGS, n_trials=50, max_minutes=2)
    assert 1 <= len(calls) < 6


def test_a_second_search_on_the_same_data_is_refused(tmp_path):
    with (
        search.lock_search(tmp_path),
        pytest.raises(ValueError, match="Another search"),
        search.lock_search(tmp_path),
    ):
        pass


@pytest.mark.parametrize("name", ["no study/0", "search/x"])
def test_a_trial_that_does_not_exist_is_an_error(store, name):
    with pytest.raises(ValueError, match=r"Search_Hyperparameters\.py"):
        Trial(name, store.folder)


def test_values_become_flags():
    values = {"learning_rate": 0.00123456, "batch_size": 64, "flip": False, "optimizer": "adamw"}
    assert search.format_values(values) == [
        *("--learning-rate", "0.00123"),
        *("--batch-size", "64", "--no-flip", "--optimizer", "adamw"),
    ]
