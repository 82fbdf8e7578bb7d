"""A script is a step by its name, or as a step 7 by calling run_build_step."""

import pytest

from pipeline.workflow import steps
from pipeline.workflow.steps import STEPS, get_build_step, get_step, list_build_scripts


def test_each_step_is_found_by_its_name():
    assert [get_step(step.script).number for step in STEPS] == list(range(1, 14))


@pytest.mark.parametrize(
    ("script", "original"),
    [
        ("Compiling_model_v2.py", "Compiling_model.py"),
        ("My_Compiling_model.py", "Compiling_model.py"),
        ("Copy of Performance.py", "Performance.py"),
        ("Save_model (1).py", "Save_model.py"),
        ("Pre-processing_Data copy.py", "Pre-processing_Data.py"),
    ],
)
def test_a_copied_step_is_refused_with_the_name_to_give_it(script, original):
    with pytest.raises(ValueError, match=f"Rename it to {original}"):
        get_step(script)


def test_a_script_of_another_name_is_no_step():
    with pytest.raises(ValueError, match=r"train\.py is not one of"):
        get_step("train.py")


def test_step_7_can_be_any_script_that_calls_run_build_step(tmp_path, monkeypatch):
    for name in ("LeNet-5_model copy.py", "My_network.py", "wide.py"):
        (tmp_path / name).write_text("run_build_step(build, Settings)", encoding="utf-8")
    (tmp_path / "Old_model.py").write_bytes(b"# caf\xe9: calls nothing")
    (tmp_path / "folder_model.py").mkdir()
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    assert list_build_scripts() == ["LeNet-5_model copy.py", "My_network.py", "wide.py"]
    assert get_build_step("wide.py").number == 7 and get_build_step("wide.py").script == "wide.py"


def test_the_projects_build_scripts_are_found():
    names = ["Compact_model.py", "LeNet-5_model.py", "Strong_model.py", "Transfer_Learning_model.py"]
    assert set(names) <= set(list_build_scripts())
    assert not {"Compiling_model.py", "Save_model.py"} & set(list_build_scripts())
