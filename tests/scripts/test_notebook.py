"""The notebook, as a user of Jupyter runs it: all steps with %run in one kernel, then a second training."""

import re
import shutil

import nbclient
import nbformat
import pytest
from helpers import ENVIRONMENT, ROOT, TIMEOUT_S

from pipeline.workflow.steps import STEPS

NOTEBOOK = "FER2013_pipeline.ipynb"
PARAMETERS = "from IPython.display import Image, display\nSAMPLE_SIZE, EPOCHS = 600, 2"


@pytest.fixture
def notebook():
    return nbformat.read(ROOT / NOTEBOOK, as_version=4)


def test_notebook_is_valid_and_has_no_outputs(notebook):
    nbformat.validate(notebook)
    assert all(not c.outputs and c.execution_count is None for c in notebook.cells if c.cell_type == "code")


@pytest.mark.slow
@pytest.mark.long
def test_notebook_runs_all_steps_and_compares_two_trainings(notebook, project, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    shutil.copy(ROOT / NOTEBOOK, project.root)
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source = PARAMETERS
    client = nbclient.NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(project.root)}},
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in code]
    assert not any("Traceback" in text for text in printed)
    first_printed = re.findall(r"^Step (\d+): ", "".join(printed), re.MULTILINE)
    assert [int(number) for number in first_printed] == [*range(1, 14), 8, 9, 10]
    n_images = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    assert n_images == sum(cell.source.count(".png") for cell in code)
    for step in STEPS:
        for pattern in step.results:
            assert any(project.results.glob(pattern)), f"{step.script} did not write {pattern}"
    recorded = project.store().manifest()["steps"]
    assert set(recorded) == {step.script for step in STEPS}
    assert recorded["Compiling_model.py"]["arguments"] == ["--epochs", "2", "--learning-rate", "0.003"]
    assert "learning_rate" in printed[-1] and "0.001" in printed[-1] and "McNemar" in printed[-1]
    assert (project.results / "report.html").exists()
