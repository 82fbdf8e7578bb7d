"""The code passes its formatter, linter and type checker, and keeps to the limits and layers of the architecture."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from pipeline.workflow.steps import STEPS

MAX_MODULE_LINES, MAX_SCRIPT_LINES, MAX_FUNCTION_LINES = 300, 180, 45
SCRIPTS = sorted(ROOT.glob("*.py"))
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
# Packages import only from lower layers.
LAYERS = {
    "workflow": 0,
    "data": 1,
    "figures": 2,
    "models": 3,
    "evaluation": 4,
    "training": 5,
    "inference": 5,
    "vision": 6,
    "reporting": 7,
    "web": 7,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)], ids=" ".join
)
def test_tools_find_no_fault(command):
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_thirteen_scripts_have_the_names_that_the_user_chose():
    assert [step.number for step in STEPS] == list(range(1, 14))
    assert all((ROOT / step.script).is_file() for step in STEPS)
    names = {path.name for path in SCRIPTS}
    assert names > {"Analizing_DataSet.py", "Load_dataSets.py", "Visualize_Training_&_Validation.py"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_each_setting_is_one_line_with_a_comment(path):
    """tyro uses the comment as the flag's help text."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ClassDef) and node.name == "Settings":
            lines = path.read_text(encoding="utf-8").splitlines()
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    line = lines[field.lineno - 1]
                    assert re.fullmatch(r"    \w+: [^#]+ = [^#]+  # .+", line), line


@pytest.mark.parametrize("path", [*SCRIPTS, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short_enough_to_read(path):
    max_lines = MAX_SCRIPT_LINES if path.parent == ROOT else MAX_MODULE_LINES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= max_lines
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            n_lines = node.end_lineno - node.lineno + 1
            assert n_lines <= MAX_FUNCTION_LINES, f"{node.name} has {n_lines} lines"


@pytest.mark.parametrize("path", [*SCRIPTS, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_each_file_begins_with_its_purpose(path):
    tree = parse(path)
    first_line = (ast.get_docstring(tree) or "").partition("\n")[0]
    assert first_line.endswith((".", ":")), "the docstring's first line is not a sentence"
    if path.name == "__init__.py":
        assert len(tree.body) == 1, "an __init__.py holds a docstring only"


def test_packages_import_only_from_lower_layers():
    violations = []
    for path in MODULES:
        package = package_of(path)
        for name in imported_modules(path) if package else []:
            target = name.split(".")[1]
            if target != package and LAYERS[target] >= LAYERS[package]:
                violations.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not violations


def test_modules_do_not_import_each_other_in_a_cycle():
    graph = {module_name(path): imported_modules(path) for path in MODULES}
    finished = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in finished:
            for target in graph.get(name, ()):
                visit(target, (*trail, name))
            finished.add(name)

    for name in graph:
        visit(name, ())


def test_no_module_imports_a_script_and_no_script_runs_another():
    stems = {path.stem for path in SCRIPTS}
    for path in [*SCRIPTS, *MODULES]:
        if path.name == "forked_script.py":  # with which run.py runs a step in a process of its own
            continue
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & (stems | {"runpy"}), path.name
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in stems | {"runpy"}, path.name


def test_each_figure_is_saved_by_save_figure():
    """It adds the footer that names the data."""
    for path in [*SCRIPTS, *MODULES]:
        if path != ROOT / "pipeline" / "figures" / "plots.py":
            assert "savefig(" not in path.read_text(encoding="utf-8"), path.name


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(path: Path) -> str:
    """Return the subpackage that a module is in; "" for pipeline itself."""
    return next((part for part in path.relative_to(ROOT / "pipeline").parts[:-1]), "")


def imported_modules(path: Path) -> set[str]:
    """Return the modules of pipeline/ that a module imports, within functions too."""
    names = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    known = {module_name(module) for module in MODULES if module.name != "__init__.py"}
    return names & known


def test_progress_bars_are_disabled_where_there_is_no_terminal():
    """In a log, a bar is one line of thousands of characters."""
    bars = []
    for path in (*SCRIPTS, *MODULES, *(ROOT / "benchmarks").glob("*.py")):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tqdm":
                names = [keyword.arg for keyword in node.keywords]
                bars.append((path.name, "disable" in names or None in names))  # None: **options
    assert len(bars) > 5
    assert not [name for name, is_disabled in bars if not is_disabled]
