"""The steps as a user of Jupyter runs them: with %run, all in one kernel."""

import nbclient
import nbformat
import pytest
from helpers import ENVIRONMENT, TIMEOUT_S

from pipeline.workflow.steps import STEPS

FLAGS = {"Load_dataSets.py": "--sample-size 600", "Compiling_model.py": "--epochs 2"}


@pytest.mark.slow
def test_all_steps_run_in_one_kernel(project, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    sources = [f'%run "{step.script}" {FLAGS.get(step.script, "")}' for step in STEPS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = nbclient.NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(project.root)}},
    )
    client.execute()
    for step, cell in zip(STEPS, notebook.cells, strict=True):
        printed = "".join(output.get("text", "") for output in cell.outputs)
        assert f"Step {step.number}: " in printed and "Traceback" not in printed, cell.outputs
        for pattern in step.results:
            assert any(project.results.glob(pattern)), f"{step.script} did not write {pattern}"
    recorded = project.store().manifest()["steps"]
    assert set(recorded) == {step.script for step in STEPS}
    assert recorded["Compiling_model.py"]["arguments"] == ["--epochs", "2"]
