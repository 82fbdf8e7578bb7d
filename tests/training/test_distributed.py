"""Data parallelism: several processes train like one, and a lost process ends the run, which can be resumed.

Each process is a project with its own copy of data/, as on separate machines; they connect over the loopback device.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import TIMEOUT_S, Project, find_free_port, wait_for_epochs

from pipeline.models import serialization
from pipeline.training import distributed, launcher
from pipeline.training.batches import ShuffledBatches

needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


@pytest.fixture(autouse=True)
def compilation_cache(tmp_path_factory, monkeypatch) -> None:
    """Compile each program once for all processes: compiling takes most of their time."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "jax"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def start_two(first: Project, second: Project, *flags: object) -> list:
    shared = ("--distribute", "--num-processes", 2, "--coordinator", f"127.0.0.1:{find_free_port()}", *flags)
    return [
        project.start_soon("Compiling_model.py", *shared, "--process-id", process_id)
        for process_id, project in enumerate((first, second))
    ]


def finish(process, status: int = 0) -> str:
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == status, output
    assert "Traceback" not in output and "Gloo" not in output
    return output


def assert_trained_alike(project: Project, other: Project) -> None:
    """Additions in another order round differently, and Adam, dividing by the gradient's size, amplifies it."""
    history, expected = (p.store().read("history") for p in (project, other))
    for name in METRICS:
        np.testing.assert_allclose(history[name], expected[name], atol=1e-3, err_msg=name)
    weights, expected = (
        np.concatenate([array.ravel() for array in p.store().read("trained_model")["weights"]])
        for p in (project, other)
    )
    assert np.linalg.norm(weights - expected) < 0.01 * np.linalg.norm(expected)


@needs_jax
@pytest.mark.slow
@pytest.mark.long
def test_two_processes_train_like_one_although_each_is_killed_once(prepared, tmp_path):
    """With batch statistics, an EMA, a teacher, class weights and augmentation."""
    single = prepared.copy(tmp_path / "single")
    single.run("Compact_model.py", "--filters", 8, "--blocks", 1)
    serialization.unpack(single.store().read("model")).save(tmp_path / "teacher.keras")
    first, second = single.copy(tmp_path / "first"), single.copy(tmp_path / "second")
    manifest = second.store().manifest()
    flags = ("--recipe", "residual", "--epochs", 3, "--warmup-epochs", 1, "--batch-size", 96, "--mixup", 0.2)
    flags += ("--precision", "float32", "--ema-momentum", 0.9, "--class-weights", "--calibrate")
    flags += ("--teachers", tmp_path / "teacher.keras")
    single.run("Compiling_model.py", "--distribute", *flags)

    for n_epochs, victim in ((1, 1), (2, 0)):
        processes = start_two(first, second, *flags)
        wait_for_epochs(first, n_epochs, processes[0])
        processes[victim].kill()
        killed_s = time.monotonic()
        output = finish(processes[1 - victim], status=1)
        assert time.monotonic() - killed_s < 60  # JAX's own timeout is 100
        assert "connection to another process is lost" in output
        processes[victim].communicate()
    outputs = [finish(process) for process in start_two(first, second, *flags)]
    assert "Resuming after epoch" in outputs[0]
    assert "Epoch" not in outputs[1]
    assert_trained_alike(first, single)
    assert second.store().manifest() == manifest  # only process 0 writes
    assert not (second.results / "runs.csv").exists()
    first.run("Performance.py")  # on TensorFlow


@needs_jax
@pytest.mark.slow
def test_processes_with_different_data_do_not_train(prepared, tmp_path):
    first, second = prepared.copy(tmp_path / "first"), prepared.copy(tmp_path / "second")
    second.run("LeNet-5_model.py", "--seed", 1)
    outputs = [finish(process, status=1) for process in start_two(first, second, "--epochs", 4)]
    assert "another process" in outputs[0]
    assert "process 1 differs from process 0 in model" in outputs[1]


@needs_jax
@pytest.mark.slow
def test_all_devices_of_a_machine_are_used(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    project = prepared.copy(tmp_path / "project")
    assert "2 of 2 devices: cpu, cpu" in project.run("Compiling_model.py", "--distribute", "--epochs", 1)


def test_a_batch_that_the_devices_cannot_share_evenly_is_refused():
    cluster = object.__new__(distributed.DataParallelCluster)
    cluster.n_devices = 2
    batches = ShuffledBatches(np.zeros((94, 1)), np.zeros((94, 1)), batch_size=47, seed=0)
    with pytest.raises(ValueError, match=r"batch_size is 47.* 48"):
        cluster.distribute(batches)


@needs_jax
@pytest.mark.slow
def test_process_0_alone_stops_waiting_after_the_timeout(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINE_CONNECT_TIMEOUT_S", "2")
    project = prepared.copy(tmp_path / "project")
    coordinator = f"127.0.0.1:{find_free_port()}"
    flags = ("--distribute", "--num-processes", 2, "--coordinator", coordinator, "--process-id", 0)
    output = project.run("Compiling_model.py", *flags, status=1)
    assert "not all 2 processes connected" in output and coordinator in output
    assert "Traceback" not in output


@needs_jax
@pytest.mark.slow
def test_the_failure_of_process_1_alone_is_explained():
    """JAX ends the process from compiled code, with another message than in process 0."""
    settings = SimpleNamespace(num_processes=2, coordinator=f"127.0.0.1:{find_free_port()}")
    code = f"import jax; jax.distributed.initialize({settings.coordinator!r}, 2, 1, initialization_timeout=2)"
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode != 0
    assert "not all 2 processes connected" in launcher.explain_failure(
        result.returncode, result.stderr, settings
    )


def test_a_port_in_use_is_named():
    with socket.create_server(("", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ValueError, match=address):
            distributed.check_port_is_free(address)


def test_shards_form_each_batch_except_for_the_remainder():
    faces = np.arange(23.0)[:, None]
    batches = ShuffledBatches(faces, faces * 2, batch_size=8, seed=0)
    shards = [
        distributed.BatchShards(batches, process_id, num_processes=2, n_devices=4) for process_id in (0, 1)
    ]
    skipped = []
    for epoch in range(3):
        for dataset in (batches, *shards):
            dataset.start_epoch(epoch)
        for index in range(3):
            parts = [shard[index] for shard in shards]
            joined, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
            assert len(parts[0][0]) == len(parts[1][0]) == (4, 4, 2)[index]
            np.testing.assert_array_equal(joined, batches[index][0][: len(joined)])
            np.testing.assert_array_equal(targets, joined * 2)
        skipped.append(batches[2][0][4:].ravel().tolist())
    assert len(shards[0]) == 3 and skipped[0] != skipped[1] != skipped[2]


def test_a_last_batch_smaller_than_the_number_of_devices_is_skipped():
    faces = np.arange(19.0)[:, None]
    batches = ShuffledBatches(faces, faces, batch_size=8, seed=0)
    assert len(distributed.BatchShards(batches, 0, num_processes=2, n_devices=4)) == 2


def test_a_single_process_keeps_batches_and_values():
    strategy = distributed.SingleProcess()
    batches = ShuffledBatches(np.zeros((2, 1)), np.zeros((2, 1)), batch_size=1, seed=0)
    assert strategy.distribute(batches) is batches
    assert strategy.broadcast({"a": 1}) == {"a": 1}
    assert strategy.is_coordinator
