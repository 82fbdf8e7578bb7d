"""The launcher of distributed training: when it starts a worker, and how it explains a failed one."""

import sys
from types import SimpleNamespace

import pytest

from pipeline.training import launcher

SETTINGS = SimpleNamespace(distribute=True, num_processes=2, process_id=0, coordinator="10.0.0.1:5555")


def test_a_training_in_one_process_is_not_relaunched():
    settings = SimpleNamespace(distribute=False, process_id=0, trial="")
    assert launcher.relaunch_on_jax(settings) is True


def test_a_trial_of_a_search_is_not_recorded():
    settings = SimpleNamespace(distribute=False, process_id=0, trial="search/0")
    assert launcher.relaunch_on_jax(settings) is False


@pytest.mark.parametrize("process_id", [0, 1])
def test_only_the_worker_of_process_0_writes(monkeypatch, process_id):
    monkeypatch.setenv(launcher.WORKER_VARIABLE, "1")
    monkeypatch.setattr(launcher, "_exit_with_parent", lambda: None)
    settings = SimpleNamespace(distribute=True, process_id=process_id, trial="")
    assert launcher.relaunch_on_jax(settings) is (process_id == 0)


def test_missing_jax_exits_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv(launcher.WORKER_VARIABLE, raising=False)
    with pytest.raises(SystemExit, match=r"JAX.*pip install"):
        launcher.relaunch_on_jax(SETTINGS)


def test_the_launcher_runs_the_command_again_on_jax_and_exits_with_its_status(monkeypatch, capfd):
    code = "import os, sys; print(os.environ['KERAS_BACKEND'], sys.argv[1:]); sys.exit(3)"
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda name: "found")
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", code, "--distribute"])
    monkeypatch.delenv(launcher.WORKER_VARIABLE, raising=False)
    with pytest.raises(SystemExit) as caught:
        launcher.relaunch_on_jax(SETTINGS)
    assert caught.value.code == 1
    assert capfd.readouterr().out == "jax ['--distribute']\n"


@pytest.mark.parametrize(
    ("status", "stderr", "key_facts"),
    [
        (-6, "RegisterTask deadline exceeded", ["2 processes", "10.0.0.1:5555"]),
        (1, "Gloo all-reduce failed: connection reset by peer", ["another process", "same command"]),
        (-9, "", ["signal 9", "same command"]),
    ],
)
def test_failures_are_explained(status, stderr, key_facts):
    reason = launcher.explain_failure(status, stderr, SETTINGS)
    assert all(fact in reason for fact in key_facts)


def test_an_error_of_the_script_needs_no_explanation():
    assert launcher.explain_failure(1, "Compiling_model.py: epochs is 0", SETTINGS) == ""
