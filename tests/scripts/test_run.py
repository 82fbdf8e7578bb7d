"""run.py: choosing steps, going on, failing, stopping, and setting up."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.data import csv_reader
from pipeline.workflow.steps import STEPS


def edit(script: Path, before: str, after: str) -> None:
    """Change a line of a script as a person does."""
    code = script.read_text(encoding="utf-8")
    assert before in code
    script.write_text(code.replace(before, after), encoding="utf-8")


def steps_that_ran(printed: str) -> list[int]:
    return [int(line.split()[1]) for line in printed.splitlines() if line.startswith("  step ")]


def run_bare(project, prelude: str, *arguments: str) -> subprocess.CompletedProcess:
    """Start run.py in a Python that has no installed packages, after `prelude`."""
    script = str(project.root / "run.py")
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(project.root)!r}); sys.argv = {[script, *arguments]!r}\n"
    )
    code += f"{prelude}\nrunpy.run_path({script!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)


def test_list_needs_nothing_installed(project):
    ended = run_bare(project, "", "--list")
    assert ended.returncode == 0, ended.stderr
    assert all(step.script in ended.stdout for step in STEPS)


def test_only_runs_these_steps(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    assert steps_that_ran(project.run("run.py", "--no-venv", "--only", 3, 4)) == [3, 4]


def test_from_starts_there(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    assert steps_that_ran(project.run("run.py", "--no-venv", "--from", 11)) == [11, 12, 13]


def test_resume_runs_nothing_when_nothing_changed_and_then_only_what_must(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    assert steps_that_ran(project.run("run.py", "--no-venv", "--resume")) == []

    edit(project.root / "Visualize_Emotions.py", "faces: int = 10", "faces: int = 4")
    (project.results / "confusion_matrix.png").unlink()
    assert steps_that_ran(project.run("run.py", "--no-venv", "--resume")) == [5, 11]


def test_resume_keeps_to_what_was_chosen_on_the_command_line(project, tmp_path, small_table):
    """A data set that was named to step 2 must not give way to the drawn sample."""
    csv_reader.write_csv(small_table, tmp_path / "mine.csv")
    project.run("Load_dataSets.py", "--dataset", tmp_path / "mine.csv")
    assert steps_that_ran(project.run("run.py", "--no-venv", "--resume", "--only", 2)) == []
    edit(project.root / "Load_dataSets.py", "sample_size: int = 8000", "sample_size: int = 400")
    assert steps_that_ran(project.run("run.py", "--no-venv", "--resume", "--only", 2)) == [2]
    assert project.store().read("source")["label"] == "FER2013 (mine.csv, 300 faces)"


@pytest.mark.parametrize("name", ["Dataset.csv", "Dataset.csv.gz"])
def test_resume_sees_a_dataset_that_appears(project, small_table, name):
    project.run("Load_dataSets.py", "--sample-size", 300)
    csv_reader.write_csv(small_table, project.root / "plain.csv")
    plain = (project.root / "plain.csv").read_bytes()
    (project.root / name).write_bytes(gzip.compress(plain) if name.endswith(".gz") else plain)
    assert "has changed since. Run: python Load_dataSets.py" in project.run("Analizing_DataSet.py", status=1)
    assert steps_that_ran(project.run("run.py", "--no-venv", "--resume", "--only", 2)) == [2]
    assert not project.store().read("source")["is_sample"]


@pytest.mark.parametrize("manifest", ["garbage", "[]", '{"version": 1, "artifacts": [], "steps": []}'])
def test_a_manifest_that_is_none_is_a_sentence(project, manifest):
    project.data.mkdir()
    (project.data / "manifest.json").write_text(manifest)
    for arguments in (("run.py", "--no-venv", "--resume"), ("Analizing_DataSet.py",)):
        printed = project.run(*arguments, status=1)
        assert "cannot be understood" in printed and "Traceback" not in printed


def test_the_hint_to_go_on_keeps_the_options(project):
    shutil.copy(project.root / "LeNet-5_model.py", project.root / "My_model.py")
    printed = project.run(
        "run.py", "--no-venv", "--quick", "--model", "My_model.py", "--only", 7, 8, status=1
    )
    assert "python3 run.py --only 7 8 --quick --no-venv --model My_model.py" in printed


def test_a_missing_library_is_a_sentence_in_any_step(project):
    (project.root / "tqdm.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tqdm'\", name='tqdm')\n"
    )
    printed = project.run("Load_dataSets.py", status=1)
    assert "has no tqdm. Run: python3 run.py" in printed and "Traceback" not in printed


def test_resume_follows_a_new_dataset_through_all_steps(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    project.run("Load_dataSets.py", "--sample-size", 300, "--seed", 9)
    sample = (project.data / "drawn_sample.csv").read_bytes()
    (project.root / "Dataset.csv").write_bytes(sample)
    edit(project.root / "Compiling_model.py", "epochs: int = 12", "epochs: int = 1")
    printed = project.run("run.py", "--no-venv", "--resume")
    assert steps_that_ran(printed) == list(range(2, 14))
    assert "DATA: FER2013 (DATASET.CSV, 300 FACES)" in printed


def test_a_failed_step_stops_the_run_with_its_message_and_number(project):
    (project.root / "Dataset.csv").write_text("emotion,pixels\n")
    printed = project.run("run.py", "--no-venv", "--only", 2, 3, status=1)
    assert "has no column Usage" in printed
    assert (
        "Step 2 (Load_dataSets.py) ended with an error" in printed
        and "python3 run.py --only 2 3 --no-venv" in printed
    )
    assert "Step 3" not in printed


def test_wrong_choices_are_named(project):
    assert "invalid choice: 14" in project.run("run.py", "--only", 14, status=2)
    assert "no such network" in project.run("run.py", "--model", "Compiling_model.py", status=2)


def test_another_network_can_be_step_seven(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    shutil.copy(project.root / "LeNet-5_model.py", project.root / "Small_model.py")
    edit(project.root / "Small_model.py", 'name="LeNet-5"', 'name="Small"')
    printed = project.run("run.py", "--no-venv", "--only", 7, "--model", "Small_model.py")
    assert "(Small_model.py)" in printed
    assert project.store().read("model")["name"] == "Small"
    assert "Small_model.py" in project.run("run.py", "--list")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C otherwise")
def test_ctrl_c_ends_cleanly(project):
    process = project.start("run.py", "--no-venv", "--only", 2, 3, start_new_session=True)
    line = ""
    while "Step 2" not in line:
        line = process.stdout.readline()
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "stopped by the keyboard" in printed and "Traceback" not in printed and "Step 3" not in printed


def test_a_python_without_venv_is_told_the_command_that_mends_it(project):
    without = "import importlib.util as util; real = util.find_spec\n"
    without += "util.find_spec = lambda name, *rest: None if name == 'ensurepip' else real(name, *rest)"
    ended = run_bare(project, without)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert ended.returncode == 1
    assert f"sudo apt install python{version}-venv" in ended.stderr and not (project.root / ".venv").exists()
