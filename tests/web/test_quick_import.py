"""Test that Gradio is imported without what the page does not need, in a process of its own."""

import subprocess
import sys

import pytest

from pipeline.web.quick_import import LazyModule
from pipeline.workflow.steps import ROOT

PROGRAM = """
import sys
import Webcam_page
from pipeline.web.quick_import import quick_import
with quick_import():
    import pipeline.web.page, pipeline.web.server
print(sorted({name.partition(".")[0] for name in sys.modules if "." in name} & {"pandas", "matplotlib", "tensorflow"}))
import pandas.io.json
print(pandas.DataFrame({"a": [1, 2]})["a"].sum())
"""


@pytest.mark.slow
def test_page_imports_no_library_for_charts_or_training_and_pandas_still_works():
    pytest.importorskip("gradio")
    completed = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert completed.stdout.splitlines() == ["[]", "3"], completed.stderr


def test_lazy_module_becomes_the_library_when_it_is_used(monkeypatch):
    module = LazyModule("colorsys")
    monkeypatch.setitem(sys.modules, "colorsys", module)
    assert not hasattr(module, "__file__") and sys.modules["colorsys"] is module
    assert module.rgb_to_hsv(1, 0, 0) == (0, 1, 1)
    assert sys.modules["colorsys"] is not module
