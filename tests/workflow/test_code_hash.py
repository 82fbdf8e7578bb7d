"""A step's code hash changes with the code that the step runs, and with no other."""

import pytest
from helpers import ROOT

from pipeline.workflow.code_hash import find_step_files, hash_step_code
from pipeline.workflow.steps import STEPS


@pytest.fixture
def root(tmp_path):
    """A small project: a step that imports two modules, one of them within a function, and a template."""
    files = {
        "step.py": "from pipeline.first import load\n",
        "pipeline/__init__.py": "",
        "pipeline/first/__init__.py": "from pipeline.second import module\n",
        "pipeline/second/__init__.py": "",
        "pipeline/second/module.py": "def f():\n    import pipeline.third.inner\n    return 'templates'\n",
        "pipeline/second/templates/page.html": "page",
        "pipeline/third/__init__.py": "",
        "pipeline/third/inner.py": "",
        "pipeline/third/other.py": "",
        "pipeline/third/static/page.css": "",
    }
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "is_covered"),
    [
        ("step.py", True),
        ("pipeline/first/__init__.py", True),
        ("pipeline/second/module.py", True),
        ("pipeline/second/templates/page.html", True),
        ("pipeline/third/inner.py", True),
        ("pipeline/third/other.py", False),
        ("pipeline/third/static/page.css", False),
    ],
)
def test_hash_covers_what_is_imported_directly_or_not(root, file, is_covered):
    before = hash_step_code("step.py", root)
    with open(root / file, "a") as opened:
        opened.write("# edited\n")
    assert (hash_step_code("step.py", root) != before) == is_covered


def covered_by(script: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in find_step_files(ROOT / script)}


def test_training_depends_on_its_modules_and_not_on_web_page_or_report():
    covered = covered_by("Compiling_model.py")
    assert {"pipeline/training/ema.py", "pipeline/workflow/artifacts.py"} <= covered
    unrelated = ("pipeline/web/", "pipeline/vision/", "pipeline/reporting/templates/")
    assert not [name for name in covered if name.startswith(unrelated)]


@pytest.mark.slow
def test_no_step_depends_on_the_web_page():
    for step in STEPS:
        assert not [name for name in covered_by(step.script) if name.startswith("pipeline/web/")]
