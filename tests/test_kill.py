"""kill -9 at random moments of any step: data/ and results/ stay readable, and the step run again succeeds."""

import json
import random
import time

import pytest
from PIL import Image

from pipeline.workflow.steps import STEPS

QUICK_STEPS = {  # steps without a network, and how many kills each gets
    "Load_dataSets.py": 5,
    "Analizing_DataSet.py": 3,
    "Visualize_the_DataSet_Graph.py": 3,
    "Visualize_Emotions.py": 3,
    "Pre-processing_Data.py": 5,
    "Visualize_Training_&_Validation.py": 2,
    "Confusion_Matrix.py": 3,
    "Classification.py": 3,
}
SLOW_STEPS = {"LeNet-5_model.py": 2, "Compiling_model.py": 3, "Performance.py": 2, "Save_model.py": 3}
ARGUMENTS = {"Load_dataSets.py": ["--sample-size", 600], "Compiling_model.py": ["--epochs", 3]}


@pytest.fixture(scope="module")
def small(prepared, tmp_path_factory):
    project = prepared.copy(tmp_path_factory.mktemp("small") / "project")
    for step in STEPS[1:]:
        project.run(step.script, *ARGUMENTS.get(step.script, []))
    return project


def check_readable(project) -> None:
    store = project.store()
    for name in store.manifest()["artifacts"]:
        try:
            store.read(name)
        except (
            ValueError
        ) as error:  # replaced inputs make what comes after stale, which is said; never damaged
            assert "stale" in str(error)
    for path in project.results.iterdir():
        if path.name.startswith("."):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()


@pytest.mark.parametrize(("script", "kills"), [*QUICK_STEPS.items(), *SLOW_STEPS.items()])
def test_killed_at_random_moments(small, script, kills):
    moments = random.Random(script)
    arguments = ARGUMENTS.get(script, [])
    started = time.monotonic()
    small.run(script, *arguments)
    duration = time.monotonic() - started
    for _ in range(kills):
        process = small.start(script, *arguments)
        time.sleep(moments.uniform(0.3, 1.0) * duration)  # before that Python only starts
        process.kill()
        process.communicate()
        check_readable(small)
    small.run(script, *arguments)
    check_readable(small)
