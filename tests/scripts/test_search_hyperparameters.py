"""run.py --search, with simulated trainings, and a training by step 8 as a trial of a search."""

import json

import optuna
import pytest
from helpers import list_checkpoints, read_rows

from pipeline.training.trial import connect_storage

pytestmark = pytest.mark.slow

SIMULATED_TRAINING = """
import sys
from pathlib import Path
from pipeline.training.trial import Trial

trial = Trial(sys.argv[sys.argv.index("--trial") + 1], Path(__file__).parent / "data")
accuracy = 1 / float(sys.argv[sys.argv.index("--batch-size") + 1])
trial.report([accuracy / 2, accuracy])
trial.finish(accuracy)
"""


def test_a_search_ends_with_the_command_of_the_best_trial_and_a_section_in_the_report(prepared, tmp_path):
    project = prepared.copy(tmp_path / "search")
    (project.root / "Compiling_model.py").write_text(SIMULATED_TRAINING, encoding="utf-8")
    before = project.store().manifest()
    flags = ("--trials", 2, "--epochs", 2, "--fixed", "keep=best")
    printed = project.run("run.py", "--no-venv", "--search", *flags)
    assert "step 8" not in printed and project.store().manifest() == before
    summary = json.loads((project.results / "search.json").read_text(encoding="utf-8"))
    sizes = {trial["number"]: trial["values"]["batch_size"] for trial in summary["trials"]}
    assert sizes[1] == 128 and sizes[summary["best"]] == min(sizes.values())
    assert summary["command"].startswith(
        "python3 Compiling_model.py --recipe augmented --epochs 2 --keep=best"
    )
    assert f"--batch-size {min(sizes.values())}" in summary["command"] and summary["command"] in printed
    assert (project.results / "search.png").stat().st_size > 10_000
    page = (project.results / "report.html").read_text(encoding="utf-8")
    assert 'id="search"' in page and summary["command"] in page


def test_step_8_as_a_trial_reports_its_epochs_and_leaves_the_trained_model_as_it_is(prepared, tmp_path):
    project = prepared.copy(tmp_path / "trial")
    study = optuna.create_study(study_name="search", storage=connect_storage(project.data))
    study.ask()
    project.run("Compiling_model.py", "--epochs", 2, "--trial", "search/0")
    (trial,) = study.get_trials()
    assert trial.state.name == "COMPLETE" and list(trial.intermediate_values) == [0, 1]
    assert trial.value == trial.intermediate_values[1] > 0
    (row,) = read_rows(project.results / "runs.csv")
    assert (row["trial"], row["epochs"], row["weights_sha256"]) == ("search/0", "2", "")
    assert float(row["validation_accuracy"]) == pytest.approx(trial.value, abs=1e-4)
    assert json.loads(row["settings"])["training"]["epochs"] == 2
    store = project.store()
    assert not store.has("trained_model") and not list_checkpoints(store)
    assert not {"Compiling_model.py"} & (
        store.manifest()["steps"].keys() | store.manifest()["started"].keys()
    )
