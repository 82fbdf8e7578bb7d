"""The flags with which run.py runs a step."""

import pytest

from pipeline.workflow.run_options import parse_options
from pipeline.workflow.runner import choose_arguments, format_continue_command, replace_figures
from pipeline.workflow.steps import STEPS


@pytest.mark.parametrize(
    ("arguments", "formats", "expected"),
    [
        ([], ["svg", "pdf"], ["--figures", "png", "svg", "pdf"]),
        (["--seed", "1"], ["png"], ["--seed", "1", "--figures", "png"]),
        (
            ["--examples", "5", "--figures", "pdf", "png", "--show"],
            ["svg"],
            ["--examples", "5", "--figures", "png", "svg", "--show"],
        ),
    ],
)
def test_the_formats_of_figures_replace_those_of_the_last_run_and_png_is_among_them(
    arguments, formats, expected
):
    assert replace_figures(arguments, formats) == expected


def test_all_steps_with_figures_get_the_formats_and_the_command_to_continue_keeps_them(monkeypatch):
    monkeypatch.setattr("sys.argv", ["run.py", "--quick", "--figures", "svg", "pdf"])
    options, app_flags = parse_options("")
    flags = {step.number: choose_arguments(step, options) for step in STEPS}
    assert {number for number, words in flags.items() if "--figures" in words} == {4, 5, 7, 10, 11, 12}
    assert flags[8] == ["--epochs", "6"] and app_flags == []
    assert format_continue_command(options, STEPS[4]) == "python3 run.py --from 5 --quick --figures svg pdf"


def test_the_formats_reach_the_script_that_recognizes_faces(monkeypatch):
    monkeypatch.setattr("sys.argv", ["run.py", "--images", "me.jpg", "--charts", "--figures", "pdf"])
    assert parse_options("")[1] == ["--images", "me.jpg", "--figures", "pdf", "--charts"]
