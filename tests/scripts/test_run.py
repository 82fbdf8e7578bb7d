"""run.py selects steps, resumes, and stops at an error or Ctrl-C.

Which steps run, and in which order, is tested on stubs of the steps, which start in a fraction of the time.
"""

import argparse
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import TIMEOUT_S, Project, load_astronaut, wait_for_epochs

import run
from pipeline.data import csv_reader
from pipeline.workflow.run_options import parse_step
from pipeline.workflow.steps import STEPS

pytestmark = pytest.mark.slow

# Reads and writes what the step declares; the new values differ from the previous ones where the inputs do.
STUB = """
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.workflow.cli import run_step

from pipeline.workflow import safe_pickle
from pipeline.workflow.steps import get_step


@dataclass
class Settings:
    epochs: int = 0  # a flag of the last run of step 8, which --resume repeats


def main(settings, store):
    step = get_step(Path(sys.argv[0]).name)
    for name in step.reads:
        store.read(name)
    values = {}
    for name in step.writes:
        with open(store.folder / store.manifest()["artifacts"][name]["file"], "rb") as file:
            values[name] = safe_pickle.load(file) | {"inputs": store.inputs}
    store.write(**values)


run_step(main, Settings)
"""
BUILD_STUB = """
from dataclasses import dataclass

from pipeline.workflow.cli import run_step

from pipeline.workflow.steps import get_build_step


@dataclass
class Settings:
    pass


# A script that calls run_build_step( can be step 7.
run_step(lambda settings, store: store.write(model={}), Settings, step=get_build_step("Small_model.py"))
"""


@pytest.fixture(scope="module")
def stubbed(finished, tmp_path_factory) -> Project:
    """All steps have run, and all but 2, 6 and 7 are stubs, which have run too."""
    project = finished.copy(tmp_path_factory.mktemp("stubbed") / "project")
    stubs = [step for step in STEPS if step.number not in (2, 6, 7)]
    for step in stubs:
        (project.root / step.script).write_text(STUB, encoding="utf-8")
    assert executed_steps(project.run("run.py", "--no-venv", "--resume")) == [step.number for step in stubs]
    return project


def edit(script: Path) -> None:
    """Change a script's code but not what it does."""
    with open(script, "a", encoding="utf-8") as file:
        file.write("# edited\n")


def executed_steps(printed: str) -> list[int]:
    return [int(line.split()[1]) for line in printed.splitlines() if line.startswith("  step ")]


def test_list_needs_no_installed_packages(project):
    command = [sys.executable, "-E", "-S", str(project.root / "run.py"), "--list"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert all(step.script in result.stdout for step in STEPS)


def test_only_runs_these_steps(stubbed, tmp_path):
    project = stubbed.copy(tmp_path / "copy")
    assert executed_steps(project.run("run.py", "--no-venv", "--only", 3, 4)) == [3, 4]


@pytest.mark.parametrize("is_watched", [True, False])
def test_results_that_somebody_waits_for_open_unless_flags_say_otherwise(monkeypatch, tmp_path, is_watched):
    monkeypatch.setattr(run.viewer, "is_watched", lambda: is_watched)
    monkeypatch.setattr(run, "run_and_wait", lambda command, folder: command)
    (tmp_path / "me.jpg").touch()

    def opens(*flags: object) -> bool:
        monkeypatch.setattr(sys, "argv", ["run.py", "--no-venv", *map(str, flags)])
        return "--show" in run.main()

    assert opens("--images", tmp_path / "me.jpg") == is_watched
    assert opens("--images", tmp_path / "me.jpg", "--show")
    assert not opens("--images", tmp_path / "me.jpg", "--no-show")
    assert not opens("--images", tmp_path) and not opens("--images", tmp_path / "me.jpg", tmp_path)
    assert not opens("--page") and not opens("--webcam")


def test_from_runs_this_step_and_the_following_ones(stubbed, tmp_path):
    project = stubbed.copy(tmp_path / "copy")
    assert executed_steps(project.run("run.py", "--no-venv", "--from", 11)) == [11, 12, 13]


def test_report_is_written_without_running_a_step(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    (project.results / "report.html").unlink()
    assert executed_steps(project.run("run.py", "--no-venv", "--report")) == []
    assert (project.results / "report.html").exists()


def test_resume_runs_only_steps_whose_code_has_changed_or_whose_results_are_missing(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    edit(project.root / "pipeline" / "web" / "server.py")
    assert executed_steps(project.run("run.py", "--no-venv", "--resume")) == []

    edit(project.root / "Visualize_Emotions.py")
    (project.results / "confusion_matrix.png").unlink()
    (project.results / "class_distribution.png").rename(project.results / "class_distribution.pdf")
    assert executed_steps(project.run("run.py", "--no-venv", "--resume")) == [5, 11]


def test_resume_keeps_the_flags_of_the_last_run(project, tmp_path, small_table):
    """A data set chosen on the command line is not replaced with the synthetic sample."""
    csv_reader.write_csv(small_table, tmp_path / "mine.csv")
    project.run("Load_dataSets.py", "--dataset", tmp_path / "mine.csv")
    assert executed_steps(project.run("run.py", "--no-venv", "--resume", "--only", 2)) == []
    edit(project.root / "Load_dataSets.py")
    assert executed_steps(project.run("run.py", "--no-venv", "--resume", "--only", 2)) == [2]
    source = project.store().read("source")
    assert not source["is_sample"] and "mine.csv" in source["label"]


def kill_training(project, *flags: object) -> None:
    process = project.start_soon("Compiling_model.py", *flags)
    wait_for_epochs(project, 1, process)
    process.kill()
    process.communicate()


@pytest.mark.long
def test_resume_continues_a_killed_training_with_its_flags_and_its_network(prepared, tmp_path):
    project = prepared.copy(tmp_path / "copy")
    shutil.copy(project.root / "LeNet-5_model.py", project.root / "My_model.py")
    project.run("Compiling_model.py", "--epochs", 1)
    project.run("My_model.py", "--seed", 1)
    kill_training(project, "--recipe", "augmented", "--epochs", 3, "--warmup-epochs", 0)
    printed = project.run("run.py", "--no-venv", "--resume", "--only", 7, 8)
    assert executed_steps(printed) == [8] and "Resuming after epoch" in printed
    entry = project.store().entry("trained_model")
    assert (entry["settings"]["recipe"], entry["settings"]["epochs"]) == ("augmented", 3)
    assert project.store().entry("model")["script"] == "My_model.py"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_run_py_alone_ends_the_step_too(project, number):
    process = project.start("run.py", "--no-venv", "--only", 2, 3, start_new_session=True)
    while "Step 2" not in process.stdout.readline():
        pass
    process.send_signal(number)
    printed, _ = process.communicate(
        timeout=TIMEOUT_S
    )  # which waits until the step has closed its output too
    assert process.returncode == 128 + number, printed
    assert "was interrupted" in printed and "Traceback" not in printed and "Step 3" not in printed


@pytest.mark.parametrize("name", ["Dataset.csv", "Dataset.csv.gz"])
def test_resume_detects_a_dataset_that_appears(project, small_table, name):
    project.run("Load_dataSets.py", "--sample-size", 300)
    csv_reader.write_csv(small_table, project.root / "plain.csv")
    content = (project.root / "plain.csv").read_bytes()
    (project.root / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    printed = project.run("Analizing_DataSet.py", status=1)
    assert name in printed and "Run: python3 Load_dataSets.py" in printed
    assert executed_steps(project.run("run.py", "--no-venv", "--resume", "--only", 2)) == [2]
    assert not project.store().read("source")["is_sample"]


def test_a_renamed_dataset_makes_no_later_step_stale(project, small_table):
    csv_reader.write_csv(small_table, project.root / "Dataset.csv")
    project.run("Load_dataSets.py")
    project.run("Analizing_DataSet.py")
    (project.root / "Dataset.csv").rename(project.root / "fer2013.csv")
    assert executed_steps(project.run("run.py", "--no-venv", "--resume", "--only", 2, 3)) == []
    project.run("Load_dataSets.py")
    assert "fer2013.csv" in project.store().read("source")["label"]
    assert executed_steps(project.run("run.py", "--no-venv", "--resume", "--only", 2, 3)) == []


def test_resume_reruns_all_steps_that_depend_on_a_new_dataset(stubbed, tmp_path, small_table):
    project = stubbed.copy(tmp_path / "copy")
    csv_reader.write_csv(small_table, project.root / "Dataset.csv")
    printed = project.run("run.py", "--no-venv", "--resume")
    assert executed_steps(printed) == [2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13], (
        "the network is the same for any faces"
    )
    assert project.store().read("train_x").shape[0] < 300


def test_images_are_recognized_from_any_folder_with_the_flags_of_the_script(project):
    load_astronaut().save(project.root.parent / "me.png")
    model = Path(project.root.name) / "models" / "Compact.tflite"
    flags = ("--no-venv", "--images", "me.png", "--formats", "jsonl", "--model", model)
    printed = project.run("run.py", *flags)
    assert "Happy" in printed and "Compact.tflite" in printed and "Report:" not in printed
    assert (project.results / "classification.jsonl").exists() and not project.data.joinpath(
        "manifest.json"
    ).exists()


@pytest.mark.parametrize("action", [(), ("--only", 3), ("--report",)])
def test_a_flag_of_another_script_is_an_error(project, action):
    assert "--formats" in project.run("run.py", "--no-venv", *action, "--formats", "csv", status=2)


def test_invalid_manifest_is_an_error_with_a_remedy(project):
    project.data.mkdir()
    (project.data / "manifest.json").write_text("garbage")
    for arguments in (("run.py", "--no-venv", "--resume"), ("Analizing_DataSet.py",)):
        printed = project.run(*arguments, status=1)
        assert "manifest.json" in printed and "python3 run.py" in printed and "Traceback" not in printed


def test_failed_step_stops_the_run_and_the_command_to_continue_keeps_the_options(project):
    (project.root / "Dataset.csv").write_text("emotion,Usage\n")
    shutil.copy(project.root / "LeNet-5_model.py", project.root / "My_model.py")
    options = ("--no-venv", "--quick", "--model", "My_model.py", "--only", 2, 3)
    printed = project.run("run.py", *options, status=1)
    assert "pixels" in printed and "Step 2 (Load_dataSets.py)" in printed and "Step 3" not in printed
    assert "python3 run.py --only 2 3 --quick --no-venv --model My_model.py" in printed


@pytest.mark.parametrize("choice", [("--only", 14), ("--from", 0), ("--model", "Compiling_model.py")])
def test_invalid_choice_is_named(project, choice):
    assert f"{choice[1]}" in project.run("run.py", *choice, status=2)


@pytest.mark.parametrize("number", ["\u00b2", "-1", "nan", "1.0", "", "9" * 5000, "\u0663", "0x3"])
def test_a_number_that_is_no_step_is_explained(number):
    with pytest.raises(argparse.ArgumentTypeError, match="is no step; choose from 1 to 13") as caught:
        parse_step(number)
    assert len(str(caught.value)) < 100


def test_another_script_can_be_step_seven(project):
    (project.root / "Small_model.py").write_text(BUILD_STUB, encoding="utf-8")
    printed = project.run("run.py", "--no-venv", "--only", 7, "--model", project.root / "Small_model.py")
    assert executed_steps(printed) == [7]
    assert project.store().entry("model")["script"] == "Small_model.py"
    assert "Small_model.py" in project.run("run.py", "--list")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C in another way")
def test_ctrl_c_ends_the_run_without_a_traceback(project):
    process = project.start("run.py", "--no-venv", "--only", 2, 3, start_new_session=True)
    line = ""
    while "Step 2" not in line:
        line = process.stdout.readline()
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all processes too
    printed, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, printed
    assert "nterrupted" in printed and "Traceback" not in printed and "Step 3" not in printed
