"""Keras files that take much more memory than their size suggests, or that read other files, are refused unread."""

import json
import zipfile

import h5py
import numpy as np
import pytest

from pipeline.models import file_limits, model_zoo
from pipeline.models.file_limits import MAX_ARCHIVE_BYTES, MAX_CONFIG_BYTES, check_file

COMPACT = model_zoo.MODELS_DIR / "Compact.keras"


def write_keras(path, **changes: bytes):
    """Copy Compact.keras, compressed, with other contents of config, metadata or weights."""
    names = {"config": "config.json", "metadata": "metadata.json", "weights": "model.weights.h5"}
    with zipfile.ZipFile(COMPACT) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as copy:
        for key, name in names.items():
            copy.writestr(name, changes.get(key, archive.read(name)))
    return path


def write_hdf5(path, n_values: int = 10):
    """Write a file whose dataset has n_values, of which none takes space in the file."""
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", (n_values,), np.float32, chunks=(10,), compression="gzip")
    return path


@pytest.mark.parametrize("path", sorted(model_zoo.MODELS_DIR.glob("*.keras")), ids=lambda path: path.stem)
def test_shipped_files_pass(path):
    check_file(path)


@pytest.mark.parametrize("member", ["config", "metadata"])
@pytest.mark.parametrize(
    "content", [b"[" * (MAX_CONFIG_BYTES + 1), b'{"a": "' + b" " * MAX_CONFIG_BYTES + b'"}']
)
def test_large_configuration_is_refused(tmp_path, member, content):
    path = write_keras(tmp_path / "x.keras", **{member: content})
    assert path.stat().st_size < 2 * COMPACT.stat().st_size
    with pytest.raises(ValueError, match=rf"{member}\.json of 4 MB"):
        check_file(path)


def test_large_configuration_of_an_hdf5_file_is_refused(tmp_path):
    with h5py.File(write_hdf5(tmp_path / "x.h5"), "r+") as file:
        file.attrs.create(
            "model_config", json.dumps({"a": "x" * MAX_CONFIG_BYTES}), dtype=h5py.string_dtype()
        )
    with pytest.raises(ValueError, match="model_config"):
        check_file(tmp_path / "x.h5")


def test_weights_that_unpack_to_more_than_memory_are_refused(tmp_path):
    path = write_hdf5(tmp_path / "x.h5", MAX_ARCHIVE_BYTES // 4 + 1)
    assert path.stat().st_size < 10_000
    with pytest.raises(ValueError, match=r"1\.1 GB"):
        check_file(path)
    with pytest.raises(ValueError, match=r"1\.1 GB"):
        check_file(write_keras(tmp_path / "x.keras", weights=path.read_bytes()))


def test_sizes_of_all_datasets_and_members_count(tmp_path, monkeypatch):
    monkeypatch.setattr(file_limits, "MAX_ARCHIVE_BYTES", 0)
    monkeypatch.setattr(file_limits, "MAX_ARCHIVE_RATIO", 1)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for index in range(10):
            file.create_dataset(f"{index}/x", (1000,), np.float32, chunks=(10,))
    with pytest.raises(ValueError, match="unpack"):
        check_file(tmp_path / "x.h5")
    with pytest.raises(ValueError, match="unpack"):
        check_file(write_keras(tmp_path / "x.keras", config=b" " * 1_000_000))


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_weights_of_another_file_are_refused(tmp_path, kind, suffix):
    private = write_hdf5(tmp_path / "private.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        if kind == "link":
            file["layers"] = h5py.ExternalLink(str(private), "layers")
        elif kind == "external":
            file.create_dataset("x", (10,), np.uint8, external=[(str(private), 0, 10)])
        else:
            layout = h5py.VirtualLayout((10,), np.float32)
            layout[:] = h5py.VirtualSource(str(private), "layers/dense/vars/0", (10,))
            file.create_virtual_dataset("x", layout)
    path = tmp_path / "x.h5"
    if suffix == ".keras":
        path = write_keras(tmp_path / "x.keras", weights=path.read_bytes())
    with pytest.raises(ValueError, match="from another file"):
        check_file(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 truncated"])
def test_files_of_other_kinds_are_left_to_keras(tmp_path, content):
    (tmp_path / "x.keras").write_bytes(content)
    check_file(tmp_path / "x.keras")
    check_file(write_keras(tmp_path / "y.keras", weights=content))


def test_damaged_member_is_refused(tmp_path):
    path = write_keras(tmp_path / "x.keras")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.keras"):
        check_file(path)
