"""An artifact that can be read is what was written: complete, unaltered and up to date."""

import json
import os
import pickle
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, TIMEOUT_S
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.fingerprint import compute_sha256

plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | npst.arrays(st.sampled_from([np.uint8, np.float32, np.int64, "<U5"]), npst.array_shapes(max_side=4)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    store = ArtifactStore(tmp_path / "data", "Load_dataSets.py", {"seed": 1})
    store.write(dataset={"pixels": np.arange(12, dtype=np.uint8).reshape(3, 4)})
    return store


def artifact_path(store: ArtifactStore, name: str) -> Path:
    return store.folder / store.manifest()["artifacts"][name]["file"]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(plain_data)
def test_read_returns_what_was_written(tmp_path_factory, value):
    store = ArtifactStore(tmp_path_factory.mktemp("store"), "a.py")
    store.write(value=value)
    np.testing.assert_equal(store.read("value"), value)


def test_entry_records_script_settings_and_inputs(store):
    second = ArtifactStore(store.folder, "Analizing_DataSet.py", {"nearly_black": 10})
    second.read("dataset")
    second.write(analysis={"constant": 0})
    entry = json.loads((store.folder / "manifest.json").read_text())["artifacts"]["analysis"]
    assert entry["script"] == "Analizing_DataSet.py" and entry["settings"] == {"nearly_black": 10}
    with open(artifact_path(store, "dataset"), "rb") as file:
        assert entry["inputs"] == {"dataset": compute_sha256(file)}


def test_artifact_read_without_tracking_is_no_input(store):
    second = ArtifactStore(store.folder, "Analizing_DataSet.py")
    second.read("dataset", track=False)
    second.write(analysis=1)
    assert second.entry("analysis")["inputs"] == {}


def test_missing_artifact_names_the_script_that_writes_it(store):
    with pytest.raises(FileNotFoundError, match=r"train_x.*Run: python3 Pre-processing_Data\.py"):
        store.read("train_x")
    artifact_path(store, "dataset").unlink()
    with pytest.raises(FileNotFoundError, match=r"dataset.*Run: python3 Load_dataSets\.py"):
        store.read("dataset")


def test_command_in_a_message_quotes_a_name_with_an_ampersand(tmp_path):
    script = "Visualize_Training_&_Validation.py"
    store = ArtifactStore(tmp_path, script)
    store.write(value=1)
    artifact_path(store, "value").unlink()
    with pytest.raises(FileNotFoundError, match=f'python3 "{script}"'):
        store.read("value")


@pytest.mark.parametrize("is_finished", [False, True])
def test_missing_artifact_names_the_script_with_the_flags_of_its_last_run(store, is_finished):
    other = ArtifactStore(store.folder, "Compiling_model.py", arguments=["--recipe", "augmented"])
    other.record_start()
    if is_finished:
        other.record_step(code="")
    with pytest.raises(FileNotFoundError, match=r"Compiling_model\.py --recipe augmented$"):
        store.read("trained_model")


@pytest.mark.parametrize("reason", ["missing", "damaged", "stale"])
def test_command_in_a_message_has_the_recorded_flags(tmp_path, reason):
    file = tmp_path / "my faces.csv"
    file.write_text("one")
    store = ArtifactStore(tmp_path / "data", "Load_dataSets.py", arguments=["--dataset", str(file)])
    store.add_dependency(file)
    store.write(dataset=1)
    if reason == "stale":
        file.write_text("two")
    elif reason == "damaged":
        artifact_path(store, "dataset").write_text("x")
    else:
        artifact_path(store, "dataset").unlink()
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        ArtifactStore(store.folder).read("dataset")
    assert f'Run: python3 Load_dataSets.py --dataset "{file}"' in str(caught.value)


def test_an_obsolete_artifact_is_deleted_when_its_script_is_recorded(store):
    store.write(checkpoint=1, other=2)
    store.remove_when_recorded("checkpoint")
    assert store.has("checkpoint")
    store.record_step(code="")
    assert not store.has("checkpoint") and store.has("other")
    assert "checkpoint" not in store.manifest()["steps"]["Load_dataSets.py"]["outputs"]


def test_nothing_is_read_without_a_manifest(store):
    (store.folder / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="dataset"):
        store.read("dataset")


def test_truncated_artifact_is_refused(store):
    path = artifact_path(store, "dataset")
    complete = path.read_bytes()
    for length in range(len(complete)):
        path.write_bytes(complete[:length])
        with pytest.raises(ValueError, match=r"damaged.*Run: python3 Load_dataSets\.py"):
            store.read("dataset")


def test_artifact_with_a_flipped_bit_is_refused(store):
    path = artifact_path(store, "dataset")
    original = path.read_bytes()
    for position in range(len(original)):
        flipped = bytearray(original)
        flipped[position] ^= 1 << (position % 8)
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match="damaged"):
            store.read("dataset")


def test_artifact_with_more_than_plain_data_is_refused_though_its_hash_is_right(store):
    path = artifact_path(store, "dataset")
    path.write_bytes(pickle.dumps(print))
    manifest = json.loads((store.folder / "manifest.json").read_text())
    with open(path, "rb") as file:
        manifest["artifacts"]["dataset"]["sha256"] = compute_sha256(file)
    (store.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"plain data.*Run: python3 Load_dataSets\.py"):
        store.read("dataset")


@pytest.mark.parametrize("kind", ["device", "FIFO", "folder", "link"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
def test_artifact_that_is_no_regular_file_is_refused(store, tmp_path, kind):
    path = artifact_path(store, "dataset")
    content = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        (tmp_path / "copy").write_bytes(content)
        path.symlink_to("/dev/zero" if kind == "device" else tmp_path / "copy")
    with pytest.raises(ValueError, match=r"not a regular file.*Run: python3 Load_dataSets\.py"):
        store.read("dataset")


def test_after_an_error_none_of_several_artifacts_is_written(store):
    with pytest.raises(TypeError, match="bad"):
        store.write(good=1, bad={1, 2})
    assert not store.has("good") and not store.has("bad")


def test_check_of_many_artifacts_with_shared_inputs_visits_each_once(tmp_path):
    """Without a memory of what was checked, 40 levels of two artifacts would take 2^40 visits."""
    store = ArtifactStore(tmp_path, "a.py")
    for level in range(40):
        store.outputs = {}
        store.write(**{f"left{level}": level, f"right{level}": level})
        store.inputs = store.outputs
    assert ArtifactStore(tmp_path).read("left39") == 39


# --------------------------------------------------------------------------------------------------
# Stale artifacts
# --------------------------------------------------------------------------------------------------
def write_chain(folder: Path, file: Path) -> None:
    """Write dataset, computed from a file; train_x, from dataset; trained_model, from train_x."""
    first = ArtifactStore(folder, "Load_dataSets.py")
    first.add_dependency(file)
    first.write(dataset=file.read_text() if file.exists() else "synthetic")
    second = ArtifactStore(folder, "Pre-processing_Data.py")
    second.write(train_x=second.read("dataset") + "!")
    third = ArtifactStore(folder, "Compiling_model.py")
    third.write(trained_model=third.read("train_x") + "?")


@pytest.fixture
def chain(tmp_path) -> tuple[Path, Path]:
    """The folder of a chain of artifacts, and the file that it was computed from."""
    file, folder = tmp_path / "Dataset.csv", tmp_path / "data"
    file.write_text("one")
    write_chain(folder, file)
    return folder, file


def test_artifact_of_a_changed_input_is_stale_and_names_the_first_script_to_rerun(chain):
    folder, _ = chain
    ArtifactStore(folder, "Load_dataSets.py").write(dataset="two")
    for name in ("train_x", "trained_model"):
        with pytest.raises(ValueError, match=r"train_x.*stale.*Run: python3 Pre-processing_Data\.py"):
            ArtifactStore(folder).read(name)
    assert ArtifactStore(folder).read("dataset") == "two"


def test_rewriting_the_same_content_makes_nothing_stale(chain):
    folder, _ = chain
    ArtifactStore(folder, "Load_dataSets.py").write(dataset="one")
    assert ArtifactStore(folder).read("trained_model") == "one!?"


def test_only_changed_content_of_an_external_file_makes_artifacts_stale(chain):
    folder, file = chain
    os.utime(file, (1, 1))
    assert ArtifactStore(folder).read("trained_model") == "one!?"
    file.write_text("two")
    with pytest.raises(ValueError, match=r"stale.*Dataset\.csv.*Run: python3 Load_dataSets\.py"):
        ArtifactStore(folder).read("trained_model")
    file.unlink()
    assert ArtifactStore(folder).read("trained_model") == "one!?"


def test_external_file_that_appears_makes_artifacts_stale(tmp_path):
    file, folder = tmp_path / "Dataset.csv", tmp_path / "data"
    write_chain(folder, file)
    assert ArtifactStore(folder).read("dataset") == "synthetic"
    file.write_text("real")
    with pytest.raises(ValueError, match=r"Dataset\.csv"):
        ArtifactStore(folder).read("dataset")


# --------------------------------------------------------------------------------------------------
# Killed processes and concurrent ones
# --------------------------------------------------------------------------------------------------
WRITER = """
    import sys, itertools
    import numpy as np
    from pathlib import Path
    from pipeline.workflow.artifacts import ArtifactStore
    for number in itertools.count():
        value = np.full(300_000, number % 251, np.uint8)
        ArtifactStore(Path(sys.argv[1]), "w.py").write(one=value, two=value, three=value)
        print(number, flush=True)
"""


def start_writer(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_artifacts_of_a_killed_writer_are_complete_and_of_the_same_write(tmp_path):
    moments = random.Random(0)
    deadline = time.monotonic() + 10
    for round_ in range(10):
        writer = start_writer(tmp_path)
        writer.stdout.readline()  # it has written at least once
        time.sleep(moments.uniform(0, 0.05))
        writer.kill()
        writer.communicate()
        store = ArtifactStore(tmp_path)
        values = {int(value) for name in ("one", "two", "three") for value in np.unique(store.read(name))}
        assert len(values) == 1, f"mixed after kill {round_}"
        if time.monotonic() > deadline:
            break
    ArtifactStore(tmp_path, "w.py").write(one=1, two=2, three=3)
    remaining = {path.name for path in tmp_path.iterdir() if path.suffix == ".pkl"}
    assert len(remaining) == 3, "the killed writers' files were not deleted"


@pytest.mark.slow
def test_reader_never_gets_a_mixture_while_another_process_writes(tmp_path):
    writer = start_writer(tmp_path)
    writer.stdout.readline()
    try:
        for _ in range(100):
            assert len(np.unique(ArtifactStore(tmp_path).read("two"))) == 1
    finally:
        writer.kill()
        writer.communicate()


@pytest.mark.slow
def test_two_processes_that_write_the_same_artifacts_do_not_damage_them(tmp_path):
    writers = [start_writer(tmp_path) for _ in range(2)]
    try:
        for writer in writers:
            writer.stdout.readline()
        time.sleep(1)
        assert all(writer.poll() is None for writer in writers), "a writer failed"
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert len(np.unique(ArtifactStore(tmp_path).read("one"))) == 1


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        ("LeNet-5_model.py", "Compact_model.py", True),
        ("Strong_model.py", "Transfer_Learning_model.py", True),
        ("LeNet-5_model.py", "LeNet-5_model.py", True),
        ("LeNet-5_model.py", "Compiling_model.py", False),
    ],
)
def test_two_scripts_of_one_step_share_a_lock(tmp_path, first, second, waits):
    with ArtifactStore(tmp_path, first).lock():
        paths = set(tmp_path.glob(".*.lock"))
    with ArtifactStore(tmp_path, second).lock():
        assert (set(tmp_path.glob(".*.lock")) == paths) == waits


@pytest.mark.slow
def test_a_script_that_is_started_twice_waits(project):
    with ArtifactStore(project.data, "Load_dataSets.py").lock():
        second = project.start("Load_dataSets.py", "--sample-size", 300)
        lines = [second.stdout.readline() for _ in range(3)]
        assert any("waiting" in line for line in lines), lines
        assert second.poll() is None
    printed, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, printed
    assert len(project.store().read("dataset")["emotion"]) == 300
