"""How a step is started: its flags, its lock, its account of what it did, and its errors in one sentence."""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tyro

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.code_hash import hash_step_code
from pipeline.workflow.errors import exit_on_error
from pipeline.workflow.steps import get_step

Settings = TypeVar("Settings")


def run_step(
    main: Callable[[Settings, ArtifactStore], None],
    settings_class: type[Settings],
    recipes: dict[str, Settings] | None = None,
    before: Callable[[Settings], None] | None = None,
) -> None:
    """Run a script's `main(settings, cache)`; ends the process with status 1 and a sentence on bad input.

    The fields of `settings_class` are the flags; whatever differs from the file's values is printed. Where there
    are `recipes`, the flag --recipe names the one whose values hold for what no other flag sets. `before` is called
    with the settings before anything else is done. Only the first of several hosts writes.
    Set PIPELINE_TRACEBACK=1 to see where an error came from.
    """
    script = Path(sys.argv[0]).name
    step = get_step(script)
    defaults = settings_class() if recipes is None else select_recipe(recipes, settings_class().recipe)
    settings = parse_settings(defaults)
    if before:
        before(settings)
    print_header(f"Step {step.number}: {step.title} ({script})", settings, defaults)
    started = time.perf_counter()
    store = ArtifactStore(script=script, settings=to_plain(dataclasses.asdict(settings)))
    with exit_on_error(script):
        if getattr(settings, "seed", 0) < 0:
            raise ValueError(f"seed is {settings.seed}, but must not be below 0.")
        if getattr(settings, "host", 0):
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
    """Run a script that is no step: it only reads from data/, so others may work there meanwhile."""
    script = Path(sys.argv[0]).name
    settings = parse_settings(settings_class())
    print_header(f"{title} ({script})", settings, settings_class())
    with exit_on_error(script):
        main(settings, ArtifactStore())


def parse_settings(defaults: Settings) -> Settings:
    """The settings that the command line asks for."""
    # --help tells what a script does; how it is run, it says itself.
    purpose, _, _ = (sys.modules["__main__"].__doc__ or "").partition("\nRun:")
    return tyro.cli(type(defaults), description=purpose, default=defaults)


def print_header(heading: str, settings: Settings, defaults: Settings) -> None:
    """Say what runs, and which settings differ from the file's."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may have letters that the terminal lacks
        stream.reconfigure(errors="backslashreplace")
    print(heading, flush=True)
    for name, value, default in changed_settings(settings, defaults):
        print(f"  {name} = {value!r} (in the file: {default!r})", flush=True)


def select_recipe(recipes: dict[str, Settings], default: str) -> Settings:
    """The recipe that --recipe names; tyro refuses a name that is none afterwards."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", default=default)
    return recipes.get(parser.parse_known_args()[0].recipe, recipes[default])


def changed_settings(settings: Settings, defaults: Settings) -> list[tuple[str, Any, Any]]:
    """(name, value, default) of each field that the command line changed."""
    names = [field.name for field in dataclasses.fields(settings)]
    told = [(name, getattr(settings, name), getattr(defaults, name)) for name in names]
    return [(name, value, default) for name, value, default in told if value != default]


def to_plain(value: Any) -> Any:
    """Settings as JSON can hold them: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {key: to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def peak_memory() -> int | None:
    """The most memory that this process held at once, in bytes; None where the system doesn't tell."""
    try:  # on Linux, because what `resource` tells there counts the process that started this one, too
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
