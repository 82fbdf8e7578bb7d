"""Run a script: parse its flags, print its settings, lock data/, record the run and explain errors.

The flags are generated from the script's `Settings`. Importing this module installs the handler that explains a
missing library, so a script imports it before any third-party library.
"""

import argparse
import dataclasses
import io
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.workflow.errors import exit_on_error

import tyro

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import check_writable
from pipeline.workflow.code_hash import hash_step_code
from pipeline.workflow.flags import FLAG_TYPES, format_flags
from pipeline.workflow.processes import exit_on_termination
from pipeline.workflow.settings import Override, SettingsSource
from pipeline.workflow.steps import RESULTS, Step, get_step

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def run_step(
    main: Callable[[Settings, ArtifactStore], None],
    settings_class: type[Settings],
    *,
    recipes: Mapping[str, dict[str, Any]] | None = None,
    setup: Callable[[Settings], bool | None] | None = None,
    step: Step | None = None,
) -> None:
    """Run a step's `main(settings, store)`; bad input ends the process with a message and status 1.

    Args:
        main: The step.
        settings_class: Dataclass whose fields are the step's flags. Each value is checked against its annotation.
            Changed settings are printed and recorded.
        recipes: {name: {setting: value}}, from which the setting `recipe` chooses. A flag wins over a value that was
            edited in the file, which wins over the recipe.
        setup: Called first, with the settings. If it returns False, `main` runs without a lock and is not recorded.
        step: None: the one of the thirteen that has the script's name.
    """
    script = Path(sys.argv[0]).name
    started = time.perf_counter()
    with exit_on_termination(), exit_on_error(script):
        step = step or get_step(script)
        settings, overrides = parse_settings(settings_class, recipes)
        if step.results:
            check_writable(RESULTS)
        store = _create_store(script, settings, overrides)
        is_recorded = setup is None or setup(settings) is not False
        print_header(f"Step {step.number}: {step.title} ({script})", overrides)
        if not is_recorded:
            main(settings, store)
            return
        with store.lock(), recorded_start(store):
            main(settings, store)
            store.record_step(
                code=hash_step_code(script),
                settings=store.settings,
                changed=[override.name for override in overrides],
                seconds=round(time.perf_counter() - started, 3),
                peak_memory=peak_memory(),
            )


@contextmanager
def recorded_start(store: ArtifactStore) -> Iterator[None]:
    """Record that a step runs, until it is recorded as finished or its input proves to be invalid.

    The record of a step that was killed or interrupted, or had no space on the disk, has the flags that continue it.
    """
    store.record_start()
    try:
        yield
    except (ValueError, FileNotFoundError):
        store.forget_start()
        raise


def run_tool(
    main: Callable[[Settings, ArtifactStore], None], settings_class: type[Settings], title: str
) -> None:
    """Run a script that is not a step, but writes artifacts or files in results/ of its own.

    It locks what it writes; `run.py` does not run it, so nothing else is recorded.
    """
    script = Path(sys.argv[0]).name
    with exit_on_termination(), exit_on_error(script):
        settings, overrides = parse_settings(settings_class)
        check_writable(RESULTS)
        store = _create_store(script, settings, overrides)
        print_header(f"{title} ({script})", overrides)
        with store.lock():
            main(settings, store)


def run_app(
    main: Callable[[Settings, ArtifactStore], None], settings_class: type[Settings], title: str
) -> None:
    """Run a script that is not a step: it only reads from data/, so it neither locks nor records anything."""
    script = Path(sys.argv[0]).name
    with exit_on_termination(), exit_on_error(script):
        settings, overrides = parse_settings(settings_class)
        print_header(f"{title} ({script})", overrides)
        main(settings, ArtifactStore())


def run_benchmark(main: Callable[[Settings], None], settings_class: type[Settings]) -> None:
    """Run a script in benchmarks/."""
    with exit_on_error(Path(sys.argv[0]).name):
        main(parse_settings(settings_class)[0])


def parse_settings(
    settings_class: type[Settings], recipes: Mapping[str, dict[str, Any]] | None = None
) -> tuple[Settings, list[Override]]:
    """Return the settings of the file, of a recipe and of the command line, and which of these replaces which.

    Raises:
        ValueError: For a value that its annotation does not allow.
        SystemExit: For --help, and for a flag that does not exist.
    """
    source = SettingsSource(settings_class, recipes)
    defaults = source.defaults(_find_recipe(source.file))
    docstring = sys.modules["__main__"].__doc__ or ""
    description = re.split("\n(?:Reads|Run):", docstring)[0]  # the usage line says how to run it
    with FLAG_TYPES:
        parsed = tyro.cli(settings_class, description=description, default=defaults)
    settings = source.complete(parsed, defaults)
    return settings, source.overrides(settings, defaults)


def _create_store(script: str, settings: "DataclassInstance", overrides: list[Override]) -> ArtifactStore:
    """Return the store that records a script's settings, and the flags that repeat its run."""
    return ArtifactStore(
        script=script,
        settings=to_plain(dataclasses.asdict(settings)),
        arguments=format_flags(type(settings), overrides),
    )


def print_header(heading: str, overrides: list[Override]) -> None:
    """Print what runs, and each setting that differs from the script's or the recipe's."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may have characters that the terminal lacks
        if isinstance(stream, io.TextIOWrapper):  # a notebook's stream shows all characters
            stream.reconfigure(errors="backslashreplace")
    print(heading, flush=True)
    for override in overrides:
        print(f"  {override}", flush=True)


def to_plain(value: Any) -> Any:
    """Convert settings to what JSON can hold: paths to strings, tuples to lists."""
    if isinstance(value, dict):
        return {key: to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def peak_memory() -> int | None:
    """Return the largest resident memory of this process in bytes; None where the system does not report it."""
    try:  # on Linux, where `resource` counts the parent process too
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _find_recipe(file: dict[str, Any]) -> str:
    """Return the recipe that --recipe names, or else the file's; "" if the script has no recipes."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", default=file.get("recipe", ""))
    return parser.parse_known_args()[0].recipe
