"""Run a script: parse its flags, print its settings, lock data/, record the run and explain errors.

The flags are generated from the script's `Settings`. Importing this module installs the handler that explains a
missing library, so a script imports it before any third-party library.
"""

import argparse
import dataclasses
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.workflow.errors import exit_on_error

import tyro

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.code_hash import hash_step_code
from pipeline.workflow.steps import get_step

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def run_step(
    main: Callable[[Settings, ArtifactStore], None],
    settings_class: type[Settings],
    *,
    recipes: dict[str, Settings] | None = None,
    setup: Callable[[Settings], bool | None] | None = None,
) -> None:
    """Run a step's `main(settings, store)`; bad input ends the process with a message and status 1.

    Args:
        main: The step.
        settings_class: Dataclass whose fields are the step's flags. Changed settings are printed and recorded.
        recipes: Named settings, from which --recipe chooses the defaults of all other flags.
        setup: Called first, with the settings. If it returns False, this process neither locks data/ nor records
            the step, because another process does so.
    """
    script = Path(sys.argv[0]).name
    step = get_step(script)
    defaults = settings_class() if recipes is None else _select_recipe(recipes, settings_class())
    settings = parse_settings(defaults)
    started = time.perf_counter()
    store = ArtifactStore(script=script, settings=to_plain(dataclasses.asdict(settings)))
    with exit_on_error(script):
        _check_seed(settings)
        is_recorded = setup is None or setup(settings) is not False
        print_header(f"Step {step.number}: {step.title} ({script})", settings, defaults)
        if not is_recorded:
            main(settings, store)
            return
        with store.lock():
            main(settings, store)
            store.record_step(
                code=hash_step_code(script),
                arguments=sys.argv[1:],
                settings=store.settings,
                changed=[name for name, _, _ in changed_settings(settings, defaults)],
                seconds=round(time.perf_counter() - started, 3),
                peak_memory=peak_memory(),
            )


def run_app(
    main: Callable[[Settings, ArtifactStore], None], settings_class: type[Settings], title: str
) -> None:
    """Run a script that is not a step: it only reads from data/, so it neither locks nor records anything."""
    script = Path(sys.argv[0]).name
    defaults = settings_class()
    settings = parse_settings(defaults)
    print_header(f"{title} ({script})", settings, defaults)
    with exit_on_error(script):
        main(settings, ArtifactStore())


def parse_settings(defaults: Settings) -> Settings:
    """Return the settings with the values of the command line's flags."""
    docstring = sys.modules["__main__"].__doc__ or ""
    description = re.split("\n(?:Reads|Run):", docstring)[0]  # the usage line says how to run it
    return tyro.cli(type(defaults), description=description, default=defaults)


def print_header(heading: str, settings: Settings, defaults: Settings) -> None:
    """Print what runs, and each setting that differs from the script's."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may have characters that the terminal lacks
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    print(heading, flush=True)
    for name, value, default in changed_settings(settings, defaults):
        print(f"  {name} = {value!r} (in the file: {default!r})", flush=True)


def changed_settings(settings: Settings, defaults: Settings) -> list[tuple[str, Any, Any]]:
    """Return (name, value, default) of each field whose value differs from the default."""
    names = [field.name for field in dataclasses.fields(settings)]
    values = [(name, getattr(settings, name), getattr(defaults, name)) for name in names]
    return [(name, value, default) for name, value, default in values if value != default]


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


def _select_recipe(recipes: dict[str, Settings], settings: Any) -> Settings:
    """Return the recipe that --recipe names; an unknown name is left to tyro to refuse."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", default=settings.recipe)
    return recipes.get(parser.parse_known_args()[0].recipe, recipes[settings.recipe])


def _check_seed(settings: Any) -> None:
    seed = getattr(settings, "seed", 0)
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more.")
