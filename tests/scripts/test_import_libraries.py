"""Step 1 lists all libraries that pyproject.toml declares."""

import importlib
import re
import sys

import pytest
from helpers import ROOT

step_1 = importlib.import_module("Import_Libraries")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is new in Python 3.11")
def test_all_declared_libraries_are_listed():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *extras["train"]]
    optional = [line for name in extras.keys() - {"train", "test"} for line in extras[name]]

    def names(lines: list[str]) -> set[str]:
        return {re.split(r"[^\w.-]", line)[0] for line in lines} - {project["name"]}

    assert names(required) == set(step_1.PACKAGES.values())
    assert names(optional) <= {*step_1.OPTIONAL_PACKAGES, *step_1.PACKAGES.values()}
