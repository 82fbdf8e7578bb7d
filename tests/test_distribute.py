"""Several hosts learn as one does, a lost one ends the run with a sentence, and it goes on from the checkpoint.

Each host is a project of its own with a copy of data/, as on machines of their own; they meet over the loopback.
"""

import importlib.util
import socket
import time

import numpy as np
import pytest
from helpers import Project
from test_training import wait_for_epochs

from pipeline.models import serialization
from pipeline.training import distributed, launcher
from pipeline.training.batches import ShuffledBatches

needs_jax = pytest.mark.skipif(
    not importlib.util.find_spec("jax"), reason="needs requirements-distribute.txt"
)
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
EPOCHS = ("--epochs", 4)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def start_two(first: Project, second: Project, *flags: object) -> list:
    together = ("--distribute", "--hosts", 2, "--coordinator", free_address(), *flags)
    return [
        project.start("Compiling_model.py", *together, "--host", host)
        for host, project in enumerate((first, second))
    ]


def ended(process, status: int = 0) -> str:
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == status, printed
    assert "Traceback" not in printed and "Gloo" not in printed
    return printed


def assert_learned_alike(project: Project, other: Project) -> None:
    """Sums in another order round otherwise, and Adam, dividing by the slope's size, lets a few weights show it."""
    one, two = (p.store().read("history") for p in (project, other))
    for name in FIGURES:
        np.testing.assert_allclose(one[name], two[name], atol=1e-3, err_msg=name)
    one, two = (
        np.concatenate([weights.ravel() for weights in p.store().read("trained_model")["weights"]])
        for p in (project, other)
    )
    assert np.linalg.norm(one - two) < 0.01 * np.linalg.norm(two)


@needs_jax
def test_two_hosts_learn_as_one_does_though_each_is_killed_once(prepared, tmp_path):
    """With all that needs care: batch statistics, a running average, a teacher, class weights, changed faces."""
    alone = prepared.copy(tmp_path / "alone")
    alone.run("Compact_model.py", "--filters", 8, 8, "--blocks", 1, 1)
    serialization.unpack(alone.store().read("model")).save(tmp_path / "teacher.keras")
    first, second = alone.copy(tmp_path / "first"), alone.copy(tmp_path / "second")
    as_copied = second.store().manifest()
    flags = ("--recipe", "residual", "--epochs", 3, "--warmup-epochs", 1, "--batch-size", 96, "--mixup", 0.2)
    flags += ("--precision", "float32", "--ema", 0.9, "--class-weights")
    flags += ("--teachers", tmp_path / "teacher.keras")
    assert "host 0 of 1 computes on 1 of 1 devices" in alone.run("Compiling_model.py", "--distribute", *flags)

    for epochs, victim in ((1, 1), (2, 0)):
        processes = start_two(first, second, *flags)
        wait_for_epochs(first, epochs, processes[0])
        processes[victim].kill()
        since = time.monotonic()
        printed = ended(processes[1 - victim], status=1)
        assert time.monotonic() - since < 30
        assert "another host has ended or can no longer be reached" in printed
        processes[victim].communicate()
    told, told_second = (ended(process) for process in start_two(first, second, *flags))
    assert "host 0 of 2 computes on 1 of 2 devices" in told and "Going on after epoch" in told
    assert "trained for 3 epochs; host 0 keeps what came of it" in told_second and "Epoch" not in told_second
    assert_learned_alike(first, alone)
    assert second.store().manifest() == as_copied and not (second.results / "runs.csv").exists()
    assert "accuracy" in first.run("Performance.py")  # on TensorFlow


@needs_jax
def test_hosts_that_would_train_differently_do_not_train(prepared, tmp_path):
    first, second = prepared.copy(tmp_path / "first"), prepared.copy(tmp_path / "second")
    second.run("LeNet-5_model.py", "--seed", 1)
    printed = [ended(process, status=1) for process in start_two(first, second, *EPOCHS)]
    assert "another host has ended" in printed[0]
    assert "host 1 differs from host 0 in model. Copy data/ from host 0" in printed[1]


@needs_jax
def test_all_devices_of_a_machine_are_used_and_share_batches_evenly(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    project = prepared.copy(tmp_path / "project")
    printed = project.run("Compiling_model.py", "--distribute", "--epochs", 1)
    assert "host 0 of 1 computes on 2 of 2 devices: cpu, cpu" in printed
    printed = project.run("Compiling_model.py", "--distribute", "--batch-size", 47, status=1)
    assert "batch_size is 47, which 2 devices can't share evenly. Take 48" in printed


@needs_jax
def test_a_host_that_waits_in_vain_ends_with_a_sentence(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    shared = project.root / "pipeline" / "distribution.py"
    text = shared.read_text(encoding="utf-8")
    assert "WAIT_FOR_HOSTS = 300 " in text
    shared.write_text(text.replace("WAIT_FOR_HOSTS = 300 ", "WAIT_FOR_HOSTS = 2 "), encoding="utf-8")
    coordinator = free_address()
    flags = ("--distribute", "--hosts", 2, "--coordinator", coordinator)
    for host in (0, 1):
        printed = project.run("Compiling_model.py", *flags, "--host", host, status=1)
        assert f"not all 2 hosts came together at {coordinator}" in printed and "Traceback" not in printed


@needs_jax
def test_a_port_that_is_taken_is_a_sentence(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--distribute", "--hosts", 2, "--coordinator", f"127.0.0.1:{port}")
        printed = project.run("Compiling_model.py", *flags, status=1)
    assert f"the port in 127.0.0.1:{port} can't be had on this host" in printed and "Traceback" not in printed


# --------------------------------------------------------------------------------------------------
# Without JAX
# --------------------------------------------------------------------------------------------------
def test_shares_make_up_each_batch_but_for_what_does_not_divide():
    faces = np.arange(23.0)[:, None]
    batches = ShuffledBatches(faces, faces * 2, batch_size=8, seed=0)
    shares = [distributed.BatchShards(batches, host, hosts=2, devices=4) for host in (0, 1)]
    passed_by = []
    for epoch in range(3):
        batches.start_epoch(epoch)
        for index in range(3):
            parts = [share[index] for share in shares]
            shown, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
            assert len(parts[0][0]) == len(parts[1][0]) == (4, 4, 2)[index]
            np.testing.assert_array_equal(shown, batches[index][0][: len(shown)])
            np.testing.assert_array_equal(labels, shown * 2)
        passed_by.append(batches[2][0][4:].ravel().tolist())
    assert len(shares[0]) == 3 and passed_by[0] != passed_by[1] != passed_by[2]
    short = ShuffledBatches(faces[:19], faces[:19], batch_size=8, seed=0)
    assert (
        len(distributed.BatchShards(short, 0, hosts=2, devices=4)) == 2
    )  # three faces are less than a share


@pytest.mark.parametrize(
    ("coordinator", "hosts", "host", "sentence"),
    [
        ("", 0, 0, "hosts is 0, but must be above 0"),
        ("a:1", 2, 2, "host is 2, but 2 hosts are counted from 0 to 1"),
        ("", 2, 0, "coordinator is '', but must be the address of host 0"),
        ("a:b", 2, 0, "coordinator is 'a:b', but"),
        ("a:70000", 2, 0, "coordinator is 'a:70000', but"),
    ],
)
def test_hosts_that_make_no_sense_are_a_sentence(coordinator, hosts, host, sentence):
    with pytest.raises(ValueError, match=sentence):
        distributed.validate_cluster(coordinator, hosts, host)


def test_hosts_without_distribute_are_a_sentence(project):
    printed = project.run("Compiling_model.py", "--hosts", 2, "--coordinator", "a:1", status=1)
    assert "hosts, host and coordinator are for distribute, which is not set" in printed


def test_without_jax_a_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv(launcher.WORKER_VARIABLE, raising=False)

    class Settings:
        distribute = True

    with pytest.raises(SystemExit, match=r"pip install -r requirements-distribute\.txt"):
        launcher.relaunch_on_jax(Settings)
