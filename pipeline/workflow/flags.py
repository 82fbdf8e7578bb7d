"""Convert the flags of a script to settings, with tyro, and settings back to flags that repeat a run."""

import dataclasses
import glob
import os
import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args, get_type_hints

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from pipeline.workflow.settings import Location, Once, Override, parse_number


def format_flags(settings_class: type, overrides: Iterable[Override]) -> list[str]:
    """Return the flags that repeat a run: those that it was given, with absolute paths, without those of one run."""
    annotations = get_type_hints(settings_class, include_extras=True)
    words = []
    for override in overrides:
        markers = _list_markers(annotations[override.name])
        if override.origin != "flag" or any(isinstance(marker, Once) for marker in markers):
            continue
        flag, value = f"--{override.name.replace('_', '-')}", override.value
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
            continue
        location = next((marker for marker in markers if isinstance(marker, Location)), None)
        values = [str(item) for item in (value if isinstance(value, tuple) else (value,))]
        values = [make_absolute(item, location) for item in values] if location else values
        is_like_flag = not isinstance(value, tuple) and values[0].startswith("-")
        words += [f"{flag}={values[0]}"] if is_like_flag else [flag, *values]
    return words


def make_absolute(path: str, location: Location) -> str:
    """Return a path or a pattern from the command line as one that is valid in any folder."""
    if not path or path in location.words or "://" in path:
        return path
    expanded = os.path.expanduser(path)
    if glob.has_magic(expanded) and not os.path.lexists(expanded):
        return os.path.join(glob.escape(os.getcwd()), expanded)
    return os.path.abspath(expanded)


def _list_markers(annotation: Any) -> list[Any]:
    """Return the metadata of an annotation and, for a tuple, of its items' annotation."""
    markers = [*getattr(annotation, "__metadata__", ())]
    for argument in get_args(annotation):
        if argument is not Ellipsis:
            markers += _list_markers(argument)
    return markers


# --------------------------------------------------------------------------------------------------
# Conversion of flags
# --------------------------------------------------------------------------------------------------
# tyro converts text to values. A text that is not a value of the setting's type remains as it is, so that
# SettingsSource explains it like a value in the file.
FLAG_TYPES = ConstructorRegistry()


@FLAG_TYPES.primitive_rule
def _convert_number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type not in (int, float):
        return None
    return _flag_type(info.type.__name__.upper(), lambda texts: parse_number(texts[0]))


@FLAG_TYPES.primitive_rule
def _convert_choice(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type_origin is not Literal:
        return None
    choices = {str(choice): choice for choice in get_args(info.type)}
    return _flag_type(f"{{{','.join(choices)}}}", lambda texts: choices.get(texts[0], texts[0]))


@FLAG_TYPES.primitive_rule
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
