"""The cache: what it returns is what was written, whole, current, and without running anybody's code."""

import io
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
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.workflow import safe_pickle
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.fingerprint import compute_sha256

ROOT = Path(__file__).resolve().parent.parent
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | npst.arrays(st.sampled_from([np.uint8, np.float32, np.int64, "<U5"]), npst.array_shapes(max_side=4)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def payload(store: ArtifactStore, name: str) -> Path:
    return store.folder / store.manifest()["artifacts"][name]["file"]


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    store = ArtifactStore(tmp_path / "data", "Load_dataSets.py", {"seed": 1})
    store.write(dataset={"pixels": np.arange(12, dtype=np.uint8).reshape(3, 4)})
    return store


@settings(max_examples=60, deadline=None)
@given(plain)
def test_what_is_written_comes_back(tmp_path_factory, value):
    store = ArtifactStore(tmp_path_factory.mktemp("cache"), "a.py")
    store.write(value=value)
    np.testing.assert_equal(store.read("value"), value)


def test_manifest_tells_how_an_artifact_came_to_be(store):
    later = ArtifactStore(store.folder, "Analizing_DataSet.py", {"nearly_black": 10})
    later.read("dataset")
    later.write(analysis={"constant": 0})
    entry = json.loads((store.folder / "manifest.json").read_text())["artifacts"]["analysis"]
    assert entry["script"] == "Analizing_DataSet.py" and entry["settings"] == {"nearly_black": 10}
    with open(payload(store, "dataset"), "rb") as file:
        assert entry["inputs"] == {"dataset": compute_sha256(file)}


def test_missing_artifact_names_the_script_that_makes_it(store):
    with pytest.raises(FileNotFoundError, match=r"no train_x yet\. Run: python Pre-processing_Data\.py"):
        store.read("train_x")
    payload(store, "dataset").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing\. Run: python Load_dataSets\.py"):
        store.read("dataset")


def test_without_its_manifest_nothing_is_read(store):
    (store.folder / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="no dataset yet"):
        store.read("dataset")


def test_torn_manifest_is_a_sentence(store):
    manifest = store.folder / "manifest.json"
    manifest.write_text(manifest.read_text()[:50])
    with pytest.raises(ValueError, match="cannot be understood"):
        store.read("dataset")


def test_truncated_anywhere_is_refused(store):
    path = payload(store, "dataset")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"damaged or was altered.*Run: python Load_dataSets\.py"):
            store.read("dataset")


def test_any_flipped_byte_is_refused(store):
    path = payload(store, "dataset")
    whole = path.read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match="damaged or was altered"):
            store.read("dataset")


class Malicious:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def smuggle(store: ArtifactStore, value: object, protocol: int = 5) -> None:
    """Put a pickle in an artifact's place and make the manifest vouch for it."""
    path = payload(store, "dataset")
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    manifest = json.loads((store.folder / "manifest.json").read_text())
    with open(path, "rb") as file:
        manifest["artifacts"]["dataset"]["sha256"] = compute_sha256(file)
    (store.folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickle_does_nothing(store, tmp_path, protocol):
    smuggle(store, {"pixels": Malicious(tmp_path / "harm")}, protocol)
    with pytest.raises(ValueError, match="more than plain data"):
        store.read("dataset")
    assert not (tmp_path / "harm").exists()
    pickle.loads(payload(store, "dataset").read_bytes())  # to show that the test could have failed
    assert (tmp_path / "harm").exists()


def nested(depth: int) -> bytes:
    """A pickle of lists within lists."""
    return b"\x80\x05" + b"]" * depth + b"a" * (depth - 1) + b"."


def with_array(dtype: str, shape: tuple, content: bytes) -> bytes:
    """A pickle of an array with this header, whether it fits the content or not."""
    header = pickle.dumps(("ndarray", dtype, shape, bytearray(content)), 5)
    return header.removesuffix(b".") + b"Q."


@pytest.mark.parametrize(
    "content",
    [
        # numpy.ndarray with a shape and a buffer of the file's choosing: it made objects at chosen addresses.
        b"\x80\x03cnumpy\nndarray\n((K\x01tVO\nB\x08\0\0\0AAAAAAAAtR.",
        pickle.dumps(np.arange(3), 5),
        pickle.dumps(np.dtype("O"), 5),
        pickle.dumps(np.float64(1), 5),
        pickle.dumps(len, 5),
        pickle.dumps(range(3), 2),
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x05]r\xff\xff\xff\xff.",  # a memo of four billion places
        b"\x80\x05\x8e\0\0\0\0\0\1\0\0abc.",  # bytes that claim to be a terabyte
        nested(100_000),
        with_array("|O", (1,), b"A" * 8),
        with_array("<f4", (3,), b"A" * 8),
        with_array("<f4", (-1, -2), b"A" * 8),
        with_array("<U4294967295", (0,), b""),
        with_array("V8", (1,), b"A" * 8),
        with_array("<f4,<f4", (1,), b"A" * 8),
        b"\x80\x05N.N",
        b"",
    ],
)
def test_hostile_pickle_is_refused_whatever_it_holds(store, content):
    smuggle(store, content)
    with pytest.raises(ValueError, match="more than plain data"):
        store.read("dataset")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 48), np.uint8),
        np.array(2, np.float32),
        np.arange(6.0).reshape(2, 3).T,
        np.array(["a", "bc"]),
    ],
)
def test_arrays_come_back_with_dtype_shape_and_writeable(array):
    file = io.BytesIO()
    array.flags.writeable = False
    safe_pickle.dump(array, file)
    file.seek(0)
    loaded = safe_pickle.load(file)
    assert loaded.dtype == array.dtype and loaded.shape == array.shape and loaded.flags.writeable
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), np.array([None]), {"a": [Path("x")]}, print, np.float64(1)]
)
def test_only_plain_data_is_written(store, value):
    with pytest.raises(TypeError, match="only plain data"):
        store.write(good=1, bad=value)
    assert not store.has("good") and not store.has("bad")


# --------------------------------------------------------------------------------------------------
# Stale
# --------------------------------------------------------------------------------------------------
def chain(folder: Path, file: Path) -> None:
    """dataset, from a file; train_x, from dataset; model, from train_x."""
    first = ArtifactStore(folder, "Load_dataSets.py")
    first.add_dependency(file)
    first.write(dataset=file.read_text() if file.exists() else "drawn")
    second = ArtifactStore(folder, "Pre-processing_Data.py")
    second.write(train_x=second.read("dataset") + "!")
    third = ArtifactStore(folder, "Compiling_model.py")
    third.write(trained_model=third.read("train_x") + "?")


def test_artifact_of_an_older_input_is_stale_and_names_the_first_script_to_rerun(tmp_path):
    file, folder = tmp_path / "Dataset.csv", tmp_path / "data"
    file.write_text("one")
    chain(folder, file)
    ArtifactStore(folder, "Load_dataSets.py").write(dataset="two")
    for name in ("train_x", "trained_model"):
        with pytest.raises(
            ValueError, match=r"train_x in data/ is stale.*Run: python Pre-processing_Data\.py"
        ):
            ArtifactStore(folder).read(name)
    assert ArtifactStore(folder).read("dataset") == "two"


def test_the_same_content_written_again_makes_nothing_stale(tmp_path):
    file, folder = tmp_path / "Dataset.csv", tmp_path / "data"
    file.write_text("one")
    chain(folder, file)
    ArtifactStore(folder, "Load_dataSets.py").write(dataset="one")
    assert ArtifactStore(folder).read("trained_model") == "one!?"


def test_a_changed_file_outside_makes_stale_and_a_touched_or_deleted_one_does_not(tmp_path):
    file, folder = tmp_path / "Dataset.csv", tmp_path / "data"
    file.write_text("one")
    chain(folder, file)
    os.utime(file, (1, 1))
    assert ArtifactStore(folder).read("trained_model") == "one!?"
    file.write_text("two")
    with pytest.raises(ValueError, match=r"Dataset\.csv has changed since\. Run: python Load_dataSets\.py"):
        ArtifactStore(folder).read("trained_model")
    file.unlink()
    assert ArtifactStore(folder).read("trained_model") == "one!?"


def test_a_file_that_appears_makes_what_was_made_without_it_stale(tmp_path):
    file, folder = tmp_path / "Dataset.csv", tmp_path / "data"
    chain(folder, file)
    assert ArtifactStore(folder).read("dataset") == "drawn"
    file.write_text("real")
    with pytest.raises(ValueError, match=r"Dataset\.csv has changed since"):
        ArtifactStore(folder).read("dataset")


# --------------------------------------------------------------------------------------------------
# Killed, and two at once
# --------------------------------------------------------------------------------------------------
WRITER = """
    import sys, itertools
    import numpy as np
    from pathlib import Path
    from pipeline.workflow.artifacts import ArtifactStore
    for number in itertools.count():
        same = np.full(300_000, number % 251, np.uint8)
        ArtifactStore(Path(sys.argv[1]), "w.py").write(one=same, two=same, three=same)
        print(number, flush=True)
"""


def start_writer(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_killed_at_any_moment_all_artifacts_are_whole_and_of_one_write(tmp_path):
    moments = random.Random(0)
    end = time.monotonic() + 40
    for round_ in range(40):
        writer = start_writer(tmp_path)
        writer.stdout.readline()  # it has written at least once
        time.sleep(moments.uniform(0, 0.05))
        writer.kill()
        writer.communicate()
        store = ArtifactStore(tmp_path)
        values = {int(value) for name in ("one", "two", "three") for value in np.unique(store.read(name))}
        assert len(values) == 1, f"mixed after kill {round_}"
        if time.monotonic() > end:
            break
    ArtifactStore(tmp_path, "w.py").write(one=1, two=2, three=3)
    left = {path.name for path in tmp_path.iterdir() if path.suffix == ".pkl"}
    assert len(left) == 3, "what a killed writer left behind is cleared away"


def test_readers_never_see_a_mixture_while_another_process_writes(tmp_path):
    writer = start_writer(tmp_path)
    writer.stdout.readline()
    try:
        for _ in range(200):
            assert len(np.unique(ArtifactStore(tmp_path).read("two"))) == 1
    finally:
        writer.kill()
        writer.communicate()


def test_the_same_script_started_twice_waits_and_says_so(project):
    with ArtifactStore(project.data, "Load_dataSets.py").lock():
        second = project.start("Load_dataSets.py", "--sample-size", 300)
        lines = [second.stdout.readline() for _ in range(3)]
        assert any("Another Load_dataSets.py is at work; waiting" in line for line in lines), lines
        assert second.poll() is None
    printed, _ = second.communicate(timeout=60)
    assert second.returncode == 0, printed
    assert len(project.store().read("dataset")["emotion"]) == 300
