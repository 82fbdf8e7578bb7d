"""Provide the pretrained weights that the tests of backbones need."""

from pathlib import Path

import pytest

from pipeline.models.dlib_weights import FACE_RESNET_FILE
from pipeline.models.packaged_weights import find_packaged_file
from pipeline.models.torch_weights import MOBILENET_FILE


def find_or_skip(file: tuple[str, str, str]) -> Path:
    """Return the path of a file in a package of requirements/transfer.txt; skip the test without the package."""
    try:
        return find_packaged_file(*file)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mobilenet_weights() -> Path:
    return find_or_skip(MOBILENET_FILE)


@pytest.fixture(scope="session")
def face_resnet_weights() -> Path:
    return find_or_skip(FACE_RESNET_FILE)
