"""kill -9 at random moments of each step: data/ and results/ stay readable, and the step succeeds when run again."""

import json
import random
import signal
import sys
import time

import pytest
from forked import KILL_BEFORE
from helpers import Project, list_checkpoints, read_rows
from PIL import Image

from pipeline.workflow.steps import get_step

pytestmark = pytest.mark.slow
needs_forks = pytest.mark.skipif(sys.platform != "linux", reason="scripts run in forks on Linux only")

N_KILLS = {
    "Load_dataSets.py": 3,
    "Analizing_DataSet.py": 2,
    "Visualize_the_DataSet_Graph.py": 2,
    "Visualize_Emotions.py": 2,
    "Pre-processing_Data.py": 3,
    "LeNet-5_model.py": 2,
    "Compiling_model.py": 3,
    "Performance.py": 2,
    "Visualize_Training_&_Validation.py": 2,
    "Confusion_Matrix.py": 2,
    "Classification.py": 2,
    "Save_model.py": 3,
}
FLAGS = {"Load_dataSets.py": ["--sample-size", 600], "Compiling_model.py": ["--epochs", 3]}
STARTUP_SHARE = 0.1  # of a step's duration, in which Python only imports


@pytest.fixture(scope="module")
def measured(prepared, tmp_path_factory) -> tuple[Project, dict[str, float]]:
    """All steps have run on 600 synthetic faces; also their durations in seconds."""
    project = prepared.copy(tmp_path_factory.mktemp("small") / "project")
    durations_s = {}
    for script in N_KILLS:
        started_s = time.monotonic()
        project.run(script, *FLAGS.get(script, []))
        durations_s[script] = time.monotonic() - started_s
    return project, durations_s


@pytest.fixture(scope="module")
def small(measured) -> Project:
    return measured[0]


@needs_forks
@pytest.mark.parametrize(
    "line",
    [
        "Compiling_model.py:run_log.append_run(",
        "Compiling_model.py:print(format_summary(",
        "cli.py:store.record_step(",
    ],
)
def test_a_training_killed_in_its_last_lines_trains_no_epoch_again_and_is_logged_once(
    small, tmp_path, monkeypatch, line
):
    project = small.copy(tmp_path / "copy")
    flags = ["--epochs", 2, "--seed", 5]
    with monkeypatch.context() as context:
        context.setenv(KILL_BEFORE, line)
        project.run("Compiling_model.py", *flags, status=-signal.SIGKILL)
    assert "Resuming after epoch 2" in project.run("Compiling_model.py", *flags)
    sha256 = project.store().entry("trained_model")["sha256"]
    runs = read_rows(project.results / "runs.csv")
    assert [run["weights_sha256"] for run in runs].count(sha256) == 1
    assert not list_checkpoints(project.store())


@needs_forks
@pytest.mark.parametrize("script", ["Load_dataSets.py", "Confusion_Matrix.py"])
def test_a_step_killed_before_it_is_recorded_is_run_again_with_its_flags(
    small, tmp_path, monkeypatch, script
):
    """All its results are written then, but the manifest says that it was only started.

    This is the same code for all steps: one writes to data/ and has flags, the other writes to results/ only.
    """
    project = small.copy(tmp_path / "copy")
    with monkeypatch.context() as context:
        context.setenv(KILL_BEFORE, "cli.py:store.record_step(")
        project.run(script, *FLAGS.get(script, []), status=-signal.SIGKILL)
    assert_readable(project)
    number = get_step(script).number
    printed = project.run("run.py", "--no-venv", "--resume", "--only", number)
    assert f"step {number} took" in printed
    arguments = project.store().manifest()["steps"][script]["arguments"]
    assert arguments == [str(flag) for flag in FLAGS.get(script, [])]


def assert_readable(project: Project) -> None:
    store = project.store()
    for name in store.manifest()["artifacts"]:
        try:
            store.read(name)
        except ValueError as error:  # artifacts of later steps become stale, but none may be damaged
            assert "stale" in str(error)
    for path in project.results.iterdir():
        if path.name.startswith("."):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()


@pytest.mark.parametrize(("script", "n_kills"), N_KILLS.items())
def test_a_step_killed_at_random_moments_succeeds_when_run_again(small, measured, script, n_kills):
    rng = random.Random(script)
    flags = FLAGS.get(script, [])
    for _ in range(n_kills):
        process = small.start_soon(script, *flags)
        time.sleep(rng.uniform(STARTUP_SHARE, 1.0) * measured[1][script])
        process.kill()
        process.communicate()
        assert_readable(small)
    small.run(script, *flags)
    assert_readable(small)
