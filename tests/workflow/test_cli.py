"""Flags, recipes and the setup function of a step, and the messages for errors."""

import errno
import functools
import io
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pipeline.workflow.cli import peak_memory, run_step, to_plain
from pipeline.workflow.errors import exit_on_error

import pytest

from pipeline.workflow import cli
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.formatting import format_command, printable, shell_quote
from pipeline.workflow.settings import Seed


@dataclass
class Settings:
    recipe: Literal["baseline", "large"] = "baseline"  # name of the recipe
    epochs: int = 3  # number of epochs
    seed: Seed = 0  # random seed


RECIPES = {"baseline": {"epochs": 3}, "large": {"epochs": 30}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a step with flags; returns the settings that its main received, and the store that it ran in."""
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(cli, "ArtifactStore", functools.partial(ArtifactStore, tmp_path))

    def run_with_flags(*flags: str, setup=None, main=lambda *_: None) -> tuple[Settings, ArtifactStore]:
        received = []

        def run_main(settings: Settings, store: ArtifactStore) -> None:
            received.append(settings)
            main(settings, store)

        monkeypatch.setattr(sys, "argv", ["Compiling_model.py", *flags])
        run_step(run_main, Settings, recipes=RECIPES, setup=setup)
        return received[0], ArtifactStore(tmp_path)

    return run_with_flags


class NotebookStream:
    """Like ipykernel's OutStream: it can be written to, but has no `reconfigure`."""

    def __init__(self):
        self.text = io.StringIO()
        self.write, self.flush = self.text.write, self.text.flush


def test_a_step_runs_where_the_output_is_a_notebook(run, monkeypatch):
    stream = NotebookStream()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", NotebookStream())
    assert run("--epochs", "4")[0].epochs == 4
    assert "epochs = 4" in stream.text.getvalue()


def test_recipe_sets_the_defaults_and_flags_override_them(run):
    assert run()[0] == Settings("baseline", 3)
    assert run("--recipe", "large")[0] == Settings("large", 30)
    assert run("--recipe", "large", "--epochs", "5")[0] == Settings("large", 5)


def test_changed_settings_are_printed_and_recorded(run, capsys):
    _, store = run("--epochs", "5")
    assert "epochs = 5 (in the file: 3)" in capsys.readouterr().out
    record = store.manifest()["steps"]["Compiling_model.py"]
    assert record["arguments"] == ["--epochs", "5"] and record["changed"] == ["epochs"]
    assert record["settings"]["epochs"] == 5


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (KeyboardInterrupt(), True),
        (SystemExit(143), True),
        (OSError(errno.ENOSPC, "No space", "x"), True),
        (MemoryError(), True),
        (ValueError("Dataset.csv: row 3"), False),
        (FileNotFoundError(errno.ENOENT, "No such file", "x.csv"), False),
        (None, False),
    ],
    ids=repr,
)
def test_the_flags_of_a_step_that_did_not_finish_are_kept(run, error, is_kept):
    def main(settings, store):
        assert store.manifest()["started"]["Compiling_model.py"]["arguments"] == ["--epochs", "5"]
        if error:
            raise error

    run("--epochs", "4")
    if error:
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            run("--epochs", "5", main=main)
    else:
        run("--epochs", "5", main=main)
    manifest = run("--epochs", "6", setup=lambda settings: False)[1].manifest()
    assert ("Compiling_model.py" in manifest["started"]) == is_kept
    assert manifest["steps"]["Compiling_model.py"]["arguments"][1] == ("4" if error else "5")


def test_unknown_flag_is_an_error(run, capsys):
    with pytest.raises(SystemExit) as exit_:
        run("--bogus", "1")
    assert exit_.value.code == 2 and "--bogus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value"), [("--epochs", "many"), ("--epochs", "2.0"), ("--recipe", "strong")]
)
def test_wrong_value_ends_the_step_before_any_work(run, flag, value):
    with pytest.raises(SystemExit, match=f"Compiling_model.py: {flag[2:]} is .*{flag}"):
        run(flag, value)


@pytest.mark.parametrize("script", ["Compiling_model_v2.py", "New_Compiling_model.py", "train.py"])
def test_copy_of_a_step_ends_with_a_message(monkeypatch, script):
    monkeypatch.setattr(sys, "argv", [script])
    with pytest.raises(SystemExit, match=f"{script}: {script} is not one of"):
        run_step(lambda settings, store: pytest.fail("was run"), Settings)


def test_results_that_cannot_be_written_are_found_before_any_work(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "file" / "results")
    with pytest.raises(SystemExit, match=r"file.*Check the path"):
        run()


def test_negative_seed_is_refused(run):
    with pytest.raises(SystemExit, match="seed is -1"):
        run("--seed", "-1")


@pytest.mark.parametrize(("result", "is_recorded"), [(True, True), (None, True), (False, False)])
def test_setup_is_called_first_and_decides_whether_the_step_is_recorded(run, capsys, result, is_recorded):
    printed_before_setup = []

    def setup(settings):
        assert settings.epochs == 5
        printed_before_setup.append(capsys.readouterr().out)
        return result

    _, store = run("--epochs", "5", setup=setup)
    assert printed_before_setup == [""]
    assert ("Compiling_model.py" in store.manifest()["steps"]) == is_recorded
    assert (store.folder / ".Compiling_model.py.lock").exists() == is_recorded


def test_settings_are_converted_to_what_json_can_hold(tmp_path):
    assert to_plain({"a": (1, tmp_path)}) == {"a": [1, str(tmp_path)]}


def test_peak_memory_is_plausible():
    assert peak_memory() is None or 10 << 20 < peak_memory() < 64 << 30


# --------------------------------------------------------------------------------------------------
# Errors
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (ValueError("Dataset.csv: row 3"), ["Dataset.csv: row 3"]),
        (MemoryError("8 GB"), ["memory", "8 GB"]),
        (OSError(errno.ENOSPC, "No space", "x"), ["disk is full"]),
        (OSError(errno.EFBIG, "File too large", "x"), ["disk is full"]),
        (PermissionError(errno.EACCES, "Permission denied", "x.csv"), ["x.csv", "Permission denied"]),
    ],
)
def test_error_that_a_user_can_cause_becomes_a_message(capsys, error, facts):
    with pytest.raises(SystemExit) as exit_, exit_on_error("a.py"):
        raise error
    assert str(exit_.value).startswith("a.py: ") and all(fact in str(exit_.value) for fact in facts)
    assert "Traceback" not in capsys.readouterr().err


def test_error_in_a_librarys_code_is_shown_with_its_traceback(capsys):
    with pytest.raises(SystemExit), exit_on_error("a.py"):
        Fraction("x")
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("library", ["tyro", "numpy", "filelock"])
def test_missing_library_is_explained_with_a_command_that_a_shell_accepts(project, library):
    (project.root / f"{library}.py").write_text(f"raise ModuleNotFoundError(name={library!r})\n")
    script = "Visualize_Training_&_Validation.py"
    printed = project.run(script, status=1, fork=False)
    assert library in printed and "python3 run.py" in printed and f'"{script}"' in printed
    assert "Traceback" not in printed


def test_names_are_escaped_for_the_terminal_and_quoted_for_the_shell():
    assert printable("a\nb\udcff") == "a\\nb\\xff"
    assert shell_quote("Load_dataSets.py") == "Load_dataSets.py"
    assert shell_quote("a & b.py") == '"a & b.py"'


@pytest.mark.skipif(sys.platform == "win32", reason="cmd.exe has other rules")
@pytest.mark.parametrize(
    "word", ["", "a", "a b", "a&b", "a'b", 'a"b', "$HOME", "`id`", "a\\b", "a!b", "*.jpg", "a\nb"]
)
def test_a_shell_reads_the_words_of_a_command_as_they_are(word):
    script = "Visualize_Training_&_Validation.py"
    command = format_command(script, ["--x", word]).replace("python3", "printf '%s\\0'", 1)
    printed = subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[:-1] == [script, "--x", word]
