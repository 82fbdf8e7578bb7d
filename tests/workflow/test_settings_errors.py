"""A value with which Python cannot even build a script's settings is named with file, line and what is allowed."""

import subprocess
import sys

import pytest
from helpers import ROOT

SCRIPT = """
from dataclasses import dataclass
from typing import Literal
from pipeline.workflow.cli import run_benchmark
from pipeline.workflow.settings import PositiveInt

@dataclass
class Settings:
    epochs: PositiveInt = 30  # number of epochs
    filters: tuple[PositiveInt, PositiveInt] = (6, 16)  # of two layers
    optimizer: Literal["adam", "sgd"] = "adam"  # the optimizer
    flip: bool = False  # mirror
    images: tuple[str, ...] = ()  # files

def main(settings):
    print({} + 1 if settings.flip else "ran")

if __name__ == "__main__":
    run_benchmark(main, Settings)
"""
WRONG_VALUES = [
    ("(6, 16)", "[6, 16]", ["filters is [6, 16] (a.py, line 10)", "2 values", "Did you mean (6, 16)?"]),
    ("(6, 16)", "[6]", ["filters is [6] (a.py, line 10)", "2 values"]),
    ("(6, 16)", "{6, 16}", ["filters is {6, 16}", "2 values"]),
    ("= ()", "= ['a.jpg']", ["images is ['a.jpg'] (a.py, line 13)", "Did you mean ('a.jpg',)?"]),
    ("= ()", "= {}", ["images is {}", "a tuple"]),
    ('= "adam"', "= adam", ["optimizer is adam (a.py, line 11)", "Did you mean 'adam'?"]),
    ('= "adam"', "= Adam", ["optimizer is Adam", "'adam' or 'sgd'", "Did you mean 'adam'?"]),
    ('= "adam"', "= rmsprop", ["optimizer is rmsprop", "'adam' or 'sgd'"]),
    ("= False", "= true", ["flip is true (a.py, line 12)", "Did you mean True?"]),
    ("= 30", "= ten", ["epochs is ten (a.py, line 9)", "a whole number, at least 1"]),
    ("= 30", "= 30 / 0", ["epochs is 30 / 0 (a.py, line 9)", "a whole number"]),
    ("PositiveInt = 30", "Positive = 30", ["epochs (a.py, line 9) has no valid type", "Positive"]),
]


def run(tmp_path, text: str, *flags: str) -> subprocess.CompletedProcess:
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "a.py"), *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "facts"), WRONG_VALUES, ids=str)
def test_a_value_that_python_refuses_is_explained(tmp_path, old, new, facts):
    assert SCRIPT.count(old) == 1
    result = run(tmp_path, SCRIPT.replace(old, new))
    lines = result.stderr.strip().splitlines()
    assert result.returncode == 1 and len(lines) == 1 and lines[0].startswith("a.py: "), result.stderr
    missing = [fact for fact in facts if fact not in lines[0]]
    assert not missing, lines[0]


@pytest.mark.slow
def test_an_error_elsewhere_keeps_its_traceback(tmp_path):
    assert "ran" in run(tmp_path, SCRIPT).stdout
    result = run(tmp_path, SCRIPT, "--flip")
    assert result.returncode == 1 and "Traceback" in result.stderr and "TypeError" in result.stderr
