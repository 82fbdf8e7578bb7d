"""The code is laid out by ruff and has none of the slips it finds; the thirteen scripts carry their names."""

import re
import subprocess
import sys

from helpers import ROOT

from pipeline.workflow.steps import STEPS


def test_ruff_finds_nothing():
    for command in (["check"], ["format", "--check"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_thirteen_are_there_under_the_users_own_names():
    assert [step.number for step in STEPS] == list(range(1, 14))
    assert all((ROOT / step.script).is_file() for step in STEPS)
    for name in (
        "Analizing_DataSet.py",
        "Load_dataSets.py",
        "Visualize_Training_&_Validation.py",
        "LeNet-5_model.py",
    ):
        assert (ROOT / name).is_file()


def test_every_setting_stands_on_one_line_with_a_comment():
    """The comment is the help text of the flag, and must end on the line on which the setting stands."""
    for path in ROOT.glob("*.py"):
        _, found, after = path.read_text(encoding="utf-8").partition("class Settings:\n")
        for line in after.split("\n\n")[0].splitlines() if found else []:
            assert re.fullmatch(r"    \w+: [^#]+ = [^#]+  # .+", line), f"{path.name}: {line}"
