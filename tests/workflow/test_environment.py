"""run.py installs the packages once, again after a change, and explains a failure."""

import errno
import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from pipeline.workflow import environment
from pipeline.workflow.steps import ROOT


@pytest.fixture
def commands(tmp_path, monkeypatch) -> list[list[str]]:
    """The commands that were run, in an empty folder instead of the project's .venv, without uv; each succeeds."""
    recorded = []

    def record(command: list[str]) -> int:
        recorded.append(command)
        environment.VENV_PYTHON.parent.mkdir(parents=True, exist_ok=True)
        environment.VENV_PYTHON.touch()
        return 0

    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(environment, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(environment, "STAMP", tmp_path / ".venv" / "installed.json")
    monkeypatch.setattr(environment, "run_and_wait", record)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    return recorded


def test_venv_is_created_and_the_locked_versions_are_installed_into_it(commands):
    environment.install()
    create, install = commands
    assert create[1:3] == ["-m", "venv"] and install[:3] == [str(environment.VENV_PYTHON), "-m", "pip"]
    assert install[install.index("--constraint") + 1] == str(environment.LOCK) and ".[train]" in install


def test_recognizing_faces_installs_no_extra(commands):
    environment.install("recognize")
    assert "." in commands[1]


def test_uv_installs_where_it_is_on_the_path(commands, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", {"uv": "/bin/uv"}.get)
    environment.install(use_lock=False)
    install = commands[1]
    assert install[:3] == ["/bin/uv", "pip", "install"] and "--upgrade-strategy" not in install
    assert install[install.index("--python") + 1] == str(environment.VENV_PYTHON)
    assert len(commands) == 2 and environment.STAMP.exists()


def test_pip_installs_where_uv_fails(commands, monkeypatch):
    """uv does not read the settings of pip, such as a mirror of the package index."""
    record = environment.run_and_wait
    monkeypatch.setattr(environment.shutil, "which", {"uv": "/bin/uv"}.get)
    monkeypatch.setattr(
        environment, "run_and_wait", lambda command: record(command) or command[0] == "/bin/uv"
    )
    environment.install()
    assert [command[0] for command in commands[1:]] == ["/bin/uv", str(environment.VENV_PYTHON)]
    assert environment.STAMP.exists()


def test_ctrl_c_in_uv_does_not_start_pip(commands, monkeypatch):
    record = environment.run_and_wait
    monkeypatch.setattr(environment.shutil, "which", {"uv": "/bin/uv"}.get)
    monkeypatch.setattr(
        environment,
        "run_and_wait",
        lambda command: record(command) or (command[0] == "/bin/uv") * 130,
    )
    with pytest.raises(SystemExit) as exit_info:
        environment.install()
    assert exit_info.value.code == 130 and len(commands) == 2


def test_weights_for_transfer_learning_are_installed_without_their_dependencies(commands):
    environment.install("test")
    assert ".[page,search,test,train]" in commands[1] and "--no-deps" not in commands[1]
    assert "--no-deps" in commands[2] and str(environment.NO_DEPENDENCIES) in commands[2]


def test_installed_packages_are_not_installed_again(commands):
    environment.install("test")
    commands.clear()
    for purpose in environment.EXTRAS:
        environment.install(purpose)
    assert commands == []


def test_a_new_extra_is_added_to_those_installed(commands):
    environment.install("recognize")
    commands.clear()
    environment.install("page")
    environment.install("train")
    assert ".[page]" in commands[0] and ".[page,train]" in commands[1]


def test_an_active_environment_of_another_tool_is_left_as_it_is(commands, monkeypatch):
    environment.VENV_PYTHON.parent.mkdir(parents=True)
    environment.VENV_PYTHON.touch()
    monkeypatch.setattr(sys, "prefix", str(environment.VENV))
    environment.install()
    assert commands == []
    environment.STAMP.write_text('{"digest": "of an older version", "extras": []}', encoding="utf-8")
    environment.install()
    assert len(commands) == 1


def test_the_sizes_of_all_purposes_are_known():
    assert environment.SIZES.keys() == environment.EXTRAS.keys()


def test_a_changed_lock_or_the_newest_versions_are_installed(commands, tmp_path, monkeypatch):
    environment.install()
    commands.clear()
    environment.install(use_lock=False)
    assert "--constraint" not in commands.pop() and commands == []
    lock = tmp_path / "lock.txt"
    lock.write_text("numpy==2.0")
    monkeypatch.setattr(environment, "LOCK", lock)
    environment.install()
    assert str(lock) in commands[0]


def test_failed_installation_is_repeated_by_the_next_run(commands, monkeypatch):
    record = environment.run_and_wait
    monkeypatch.setattr(environment, "run_and_wait", lambda command: record(command) or "pip" in command)
    with pytest.raises(SystemExit, match="could not be installed"):
        environment.install()
    assert not environment.STAMP.exists()


def test_python_without_venv_is_explained_with_the_command_that_installs_it(commands, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find_spec(name)
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(SystemExit, match=rf"sudo apt install python{version}-venv"):
        environment.install()
    assert commands == []


def test_lock_covers_the_dependencies_and_names_no_host_or_path():
    lock = environment.LOCK.read_text(encoding="utf-8")
    assert "torch==" not in lock and "//" not in lock and str(Path.home()) not in lock
    assert all(
        f"\n{package}==" in lock for package in ("tensorflow", "keras", "gradio", "onnx", "jax", "mypy")
    )


def test_each_dependency_has_a_lower_and_an_upper_bound():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no parser of TOML")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    unbounded = [
        requirement
        for group in groups
        for requirement in group
        if not requirement.startswith(project["name"]) and not (">=" in requirement and ",<" in requirement)
    ]
    assert unbounded == []


@pytest.mark.parametrize(
    ("package", "floor"),
    [
        ("keras", (3, 12, 1)),  # the last for Python 3.10; later Pythons have 3.14 or newer
        ("filelock", (3, 20, 3)),
        ("jinja2", (3, 1, 6)),
        ("tqdm", (4, 66, 3)),
        ("opencv-python-headless", (4, 14)),
        ("pillow", (12, 3)),
    ],
)
def test_locked_versions_have_no_known_vulnerability(package, floor):
    lock = environment.LOCK.read_text(encoding="utf-8")
    versions = re.findall(rf"^{package}==([\d.]+)(.*)$", lock, re.MULTILINE)
    assert versions
    for version, marker in versions:
        if package == "keras" and ">= '3.11'" in marker:
            floor = (3, 14)
        assert tuple(map(int, version.split("."))) >= floor, f"{package} {version}"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_is_named(commands, monkeypatch, number):
    def refuse(dir):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(environment.tempfile, "TemporaryFile", refuse)
    with pytest.raises(SystemExit, match="cannot be written") as caught:
        environment.install()
    assert str(environment.ROOT) in str(caught.value) and "apt" not in str(caught.value)
    assert commands == []
