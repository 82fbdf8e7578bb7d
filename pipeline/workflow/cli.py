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
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from pipeline.workflow.errors import exit_on_error

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.code_hash import hash_step_code
from pipeline.workflow.settings import Override, SettingsSource, parse_number
from pipeline.workflow.steps import get_step

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def run_step(
    main: Callable[[Settings, ArtifactStore], None],
    settings_class: type[Settings],
    *,
    recipes: Mapping[str, dict[str, Any]] | None = None,
    setup: Callable[[Settings], bool | None] | None = None,
) -> None:
    """Run a step's `main(settings, store)`; bad input ends the process with a message and status 1.

    Args:
        main: The step.
        settings_class: Dataclass whose fields are the step's flags. Each value is checked against its annotation.
            Changed settings are printed and recorded.
        recipes: {name: {setting: value}}, from which the setting `recipe` chooses. A flag wins over a value that was
            edited in the file, which wins over the recipe.
        setup: Called first, with the settings. If it returns False, this process neither locks data/ nor records
            the step, because another process does so.
    """
    script = Path(sys.argv[0]).name
    step = get_step(script)
    started = time.perf_counter()
    with exit_on_error(script):
        settings, overrides = parse_settings(settings_class, recipes)
        store = ArtifactStore(script=script, settings=to_plain(dataclasses.asdict(settings)))
        is_recorded = setup is None or setup(settings) is not False
        print_header(f"Step {step.number}: {step.title} ({script})", overrides)
        if not is_recorded:
            main(settings, store)
            return
        with store.lock():
            main(settings, store)
            store.record_step(
                code=hash_step_code(script),
                arguments=sys.argv[1:],
                settings=store.settings,
                changed=[override.name for override in overrides],
                seconds=round(time.perf_counter() - started, 3),
                peak_memory=peak_memory(),
            )


def run_app(
    main: Callable[[Settings, ArtifactStore], None], settings_class: type[Settings], title: str
) -> None:
    """Run a script that is not a step: it only reads from data/, so it neither locks nor records anything."""
    script = Path(sys.argv[0]).name
    with exit_on_error(script):
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
    with _FLAG_TYPES:
        parsed = tyro.cli(settings_class, description=description, default=defaults)
    settings = source.complete(parsed, defaults)
    return settings, source.overrides(settings, defaults)


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


# --------------------------------------------------------------------------------------------------
# Flags
# --------------------------------------------------------------------------------------------------
# tyro converts text to values. A text that is not a value of the setting's type remains as it is, so that
# SettingsSource explains it like a value in the file.
_FLAG_TYPES = ConstructorRegistry()


@_FLAG_TYPES.primitive_rule
def _convert_number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type not in (int, float):
        return None
    return _flag_type(info.type.__name__.upper(), lambda texts: parse_number(texts[0]))


@_FLAG_TYPES.primitive_rule
def _convert_choice(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type_origin is not Literal:
        return None
    choices = {str(choice): choice for choice in get_args(info.type)}
    return _flag_type(f"{{{','.join(choices)}}}", lambda texts: choices.get(texts[0], texts[0]))


@_FLAG_TYPES.primitive_rule
def _convert_tuple(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """Take any number of values for a tuple of fixed length too."""
    items = get_args(info.type)
    if info.type_origin is not tuple or Ellipsis in items:
        return None
    any_length: Any = types.GenericAlias(tuple, (items[0], ...))
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(any_length, info.markers))
    assert isinstance(spec, PrimitiveConstructorSpec), f"tyro has no rule for {any_length}"
    return dataclasses.replace(spec, metavar=" ".join(["VALUE"] * len(items)))


def _flag_type(metavar: str, convert: Callable[[list[str]], Any]) -> PrimitiveConstructorSpec:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=convert,
        is_instance=lambda value: True,
        str_from_instance=lambda value: [str(value)],
    )
