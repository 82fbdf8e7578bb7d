"""An altered manifest.json is refused with a remedy: no crash, no endless read, no file outside data/."""

import glob
import json
import os
import re
import sys

import pytest

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.manifest import MAX_MANIFEST_BYTES, last_arguments, read_manifest

OTHER_SHA256 = "0" * 64


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    """A store in which `second` was computed from `first`, and both steps have finished."""
    for script, name in (("a.py", "first"), ("b.py", "second")):
        store = ArtifactStore(tmp_path / "data", script)
        if name == "second":
            store.read("first")
        store.write(**{name: name})
        store.record_step(code="")
    return store


def alter(store: ArtifactStore, change) -> None:
    path = store.folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def set_entry(**values):
    """Return a change of the entry of `first`; None deletes a key."""

    def change(manifest):
        entry = manifest["artifacts"]["first"]
        entry |= values
        for key in [key for key, value in values.items() if value is None]:
            del entry[key]

    return change


ALTERATIONS = {
    "absolute path": set_entry(file="/etc/hostname"),
    "path of another folder": set_entry(file="../first.pkl"),
    "file of another artifact": set_entry(file="second-00000000.pkl"),
    "device": set_entry(file="/dev/zero"),
    "no file": set_entry(file=None),
    "no hash": set_entry(sha256=None),
    "hash of another form": set_entry(sha256="abc"),
    "hash as a number": set_entry(sha256=1),
    "no inputs": set_entry(inputs=None),
    "inputs as a list": set_entry(inputs=["second"]),
    "script with a path": set_entry(script="../../evil.py"),
    "script with a line break": set_entry(script="a.py\nrm -r x"),
    "no external files": set_entry(external_files=None),
    "external file without a fingerprint": set_entry(external_files={"a.csv": {}}),
    "external file with a NUL": set_entry(
        external_files={"a\0": {"sha256": OTHER_SHA256, "stat": "", "suffixes": []}}
    ),
    "computed from itself": set_entry(inputs={"first": OTHER_SHA256}),
    "computed from each other": set_entry(inputs={"second": OTHER_SHA256}),
    "another version": lambda manifest: manifest.update(version=1),
    "version as a text": lambda manifest: manifest.update(version="3"),
    "no version": lambda manifest: manifest.pop("version"),
    "no steps": lambda manifest: manifest.pop("steps"),
    "artifacts as a list": lambda manifest: manifest.update(artifacts=[]),
    "entry as a text": lambda manifest: manifest["artifacts"].update(first="first"),
    "name with a path": lambda manifest: manifest["artifacts"].update(
        {"../x": manifest["artifacts"]["first"]}
    ),
    "step as a list": lambda manifest: manifest["steps"].update({"a.py": []}),
    "step without outputs": lambda manifest: manifest["steps"]["a.py"].pop("outputs"),
    "unknown key": lambda manifest: manifest.update(more=1),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_manifest_is_refused(store, name):
    alter(store, ALTERATIONS[name])
    for read in (store.manifest, lambda: store.read("first"), lambda: store.write(third=3)):
        with pytest.raises(ValueError, match=r"manifest\.json is not a valid manifest.*run: python3 run\.py"):
            read()


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b" " * (MAX_MANIFEST_BYTES + 1)],
    ids=["empty", "garbage", "list", "null", "binary", "deep lists", "deep objects", "large"],
)  # fmt: skip
def test_other_content_is_refused(store, content):
    (store.folder / "manifest.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"run: python3 run\.py"):
        store.manifest()


@pytest.mark.parametrize("kind", ["device", "FIFO", "folder", "link"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
def test_a_manifest_that_is_no_regular_file_is_refused(tmp_path, kind):
    path = tmp_path / "manifest.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        (tmp_path / "other.json").write_text("{}", encoding="utf-8")
        path.symlink_to("/dev/zero" if kind == "device" else tmp_path / "other.json")
    with pytest.raises(ValueError, match="not a regular file"):
        read_manifest(path)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_an_external_file_that_is_a_device_is_not_read(store, path):
    fingerprint = {"sha256": OTHER_SHA256, "stat": "", "suffixes": []}
    alter(store, set_entry(external_files={path: fingerprint}))
    with pytest.raises(ValueError, match="stale"):
        store.read("first")


def test_deeply_nested_settings_are_kept(store):
    nested: list = []
    for _ in range(50):
        nested = [nested]
    alter(store, set_entry(settings={"nested": nested}))
    assert store.read("second") == "second"


def test_a_path_that_is_not_unicode_is_kept(store):
    name = os.fsdecode(b"data set \xff.csv")
    store.external_files[name] = {"sha256": "", "stat": "", "suffixes": []}
    store.write(third=3)
    assert list(store.entry("third")["external_files"]) == [name]


def test_recorded_flags_name_files_of_the_project_where_it_is_now(tmp_path):
    """Its old folder and its new one have characters that mean something in a pattern."""
    old, new = tmp_path / "my [1] project", tmp_path / "moved *"
    (old / "faces").mkdir(parents=True)
    (old / "mine.csv").write_text("1")
    arguments = [
        *(
            "--dataset",
            str(old / "mine.csv"),
            f"--folder={old}",
            "--note",
            "{x}",
            "--elsewhere",
            f"{old}-2/a.csv",
        ),
        *("--images", os.path.join(glob.escape(str(old)), "faces", "*.png")),
    ]
    store = ArtifactStore(old / "data", "a.py", arguments=arguments)
    store.add_dependency(old / "mine.csv")
    store.write(first=1)
    store.record_step(code="")
    assert store.entry("first")["arguments"] == last_arguments(store.manifest(), "a.py") == arguments

    old.rename(new)
    (new / "mine.csv").write_text("2")
    moved = ArtifactStore(new / "data")
    expected = [
        *(
            "--dataset",
            str(new / "mine.csv"),
            f"--folder={new}",
            "--note",
            "{x}",
            "--elsewhere",
            f"{old}-2/a.csv",
        ),
        *("--images", os.path.join(glob.escape(str(new)), "faces", "*.png")),
    ]
    assert last_arguments(moved.manifest(), "a.py") == expected
    with pytest.raises(ValueError, match=re.escape(str(new / "mine.csv"))):
        moved.entry("first")
