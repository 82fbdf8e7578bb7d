"""Without the package that reads HEIC, such files are still known, and the error names the package."""

import io
import subprocess
import sys

import pytest
from helpers import ROOT, load_astronaut

from pipeline.data.image_formats import IMAGE_EXTENSIONS, is_heif


def test_no_extension_is_listed_twice_and_each_is_in_lower_case():
    assert len(set(IMAGE_EXTENSIONS)) == len(IMAGE_EXTENSIONS)
    assert all(extension == extension.lower() for extension in IMAGE_EXTENSIONS)
    assert not {".eps", ".ps", ".wmf", ".emf", ".pdf", ".mpg"} & set(IMAGE_EXTENSIONS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.heic", "a.HIF", "a.jpg", "a"])
def test_without_pillow_heif_the_error_names_it(tmp_path, name):
    pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    load_astronaut().save(file, "HEIF")
    (tmp_path / name).write_bytes(file.getvalue())
    assert is_heif(tmp_path / name)
    code = f"""
import importlib.util
importlib.util.find_spec = lambda name: None
from pipeline.data.image_io import read_image
try:
    read_image({str(tmp_path / name)!r})
except ValueError as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert name in process.stdout and "pillow-heif" in process.stdout
