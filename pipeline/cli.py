"""How a step is started: its flags, its lock, its account of what it did, and its errors in one sentence."""

import argparse
import dataclasses
import errno
import hashlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pipeline.cache import Cache
from pipeline.steps import ROOT, step_of

import tyro

Settings = TypeVar("Settings")


def run_step(
    main: Callable[[Settings, Cache], None],
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
    step = step_of(script)
    defaults = settings_class() if recipes is None else chosen_recipe(recipes, settings_class().recipe)
    settings = told_settings(defaults)
    if before:
        before(settings)
    announce(f"Step {step.number}: {step.title} ({script})", settings, defaults)
    started = time.perf_counter()
    cache = Cache(script=script, settings=plain(dataclasses.asdict(settings)))
    with errors_in_a_sentence(script):
        if getattr(settings, "seed", 0) < 0:
            raise ValueError(f"seed is {settings.seed}, but must not be below 0.")
        if getattr(settings, "host", 0):
            main(settings, cache)
            return
        with cache.at_work():
            main(settings, cache)
            cache.record_step(
                code=code_of(script),
                arguments=sys.argv[1:],
                settings=cache.settings,
                changed=[name for name, _, _ in changed_settings(settings, defaults)],
                seconds=round(time.perf_counter() - started, 3),
                peak_memory=peak_memory(),
            )


def run_live(main: Callable[[Settings, Cache], None], settings_class: type[Settings], title: str) -> None:
    """Run a script that is no step: it only reads from data/, so others may work there meanwhile."""
    script = Path(sys.argv[0]).name
    settings = told_settings(settings_class())
    announce(f"{title} ({script})", settings, settings_class())
    with errors_in_a_sentence(script):
        main(settings, Cache())


def told_settings(defaults: Settings) -> Settings:
    """The settings that the command line asks for."""
    # --help tells what a script does; how it is run, it says itself.
    purpose, _, _ = (sys.modules["__main__"].__doc__ or "").partition("\nRun:")
    return tyro.cli(type(defaults), description=purpose, default=defaults)


def announce(heading: str, settings: Settings, defaults: Settings) -> None:
    """Say what runs, and which settings differ from the file's."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may have letters that the terminal lacks
        stream.reconfigure(errors="backslashreplace")
    print(heading, flush=True)
    for name, value, default in changed_settings(settings, defaults):
        print(f"  {name} = {value!r} (in the file: {default!r})", flush=True)


@contextmanager
def errors_in_a_sentence(script: str) -> Iterator[None]:
    """End the process with status 1 and a sentence where the user, the disk or the memory is at fault."""
    try:
        yield
    except ModuleNotFoundError:  # pipeline.last_words tells how to install it
        raise
    except (ValueError, OSError, MemoryError, ImportError) as error:
        if os.environ.get("PIPELINE_TRACEBACK") or not _ours(error):
            traceback.print_exc()
        sys.exit(f"{script}: {worded(error)}")


def worded(error: BaseException) -> str:
    """An error as a sentence; the system's own are short on what to do."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({error}). Close other programs, or ask for less."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full. Nothing that was there before is lost; make room and run it again."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return (
            f"{error.filename}: {error.strerror}. Is it the right file, and may this user read and write it?"
        )
    return str(error)


def chosen_recipe(recipes: dict[str, Settings], default: str) -> Settings:
    """The recipe that --recipe names; tyro refuses a name that is none afterwards."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", default=default)
    return recipes.get(parser.parse_known_args()[0].recipe, recipes[default])


def changed_settings(settings: Settings, defaults: Settings) -> list[tuple[str, Any, Any]]:
    """(name, value, default) of each field that the command line changed."""
    names = [field.name for field in dataclasses.fields(settings)]
    told = [(name, getattr(settings, name), getattr(defaults, name)) for name in names]
    return [(name, value, default) for name, value, default in told if value != default]


def code_of(script: str) -> str:
    """A hash of the script and of all of pipeline/, by which run.py --resume knows that a step was edited."""
    sha256 = hashlib.sha256()
    for path in [ROOT / script, *sorted((ROOT / "pipeline").glob("*.py"))]:
        sha256.update(path.read_bytes())
    return sha256.hexdigest()


def plain(value: Any) -> Any:
    """Settings as JSON can hold them: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
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


def _ours(error: BaseException) -> bool:
    """Whether an error was raised by this project's own code, which words it for people; a library's is not."""
    if isinstance(error, OSError | MemoryError):
        return True
    frame = error.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    origin = Path(frame.tb_frame.f_code.co_filename).resolve()
    return origin.is_relative_to(ROOT) and ".venv" not in origin.relative_to(ROOT).parts
