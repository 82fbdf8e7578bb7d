"""Provide the pretrained weights that the tests of backbones need."""

from pathlib import Path

import pytest

from pipeline.models.torch_weights import find_packaged_weights


@pytest.fixture(scope="session")
def packaged_weights() -> Path:
    """The weights file of requirements/transfer.txt; without the package, the test is skipped."""
    try:
        return find_packaged_weights()
    except FileNotFoundError as error:
        pytest.skip(str(error))
