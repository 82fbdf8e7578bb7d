"""Check the settings of a script, and combine those of its file, of a recipe and of the command line.

A setting's annotation states its type and range, such as `PositiveInt` or `Annotated[int, Ge(1), Le(20)]`. Each value
is checked against it before any work, wherever it comes from.
"""

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.workflow.formatting import format_setting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PositiveInt = Annotated[int, Ge(1), Le(10**9)]
NonNegativeInt = Annotated[int, Ge(0), Le(10**9)]
Seed = Annotated[int, Ge(0), Lt(2**32)]  # what NumPy and Keras take
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]
UnitInterval = Annotated[float, Ge(0), Le(1)]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Location:
    """Marks a setting as the path of a file or folder; `words` are values of it that are not paths."""

    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Once:
    """Marks a setting that applies to one run only: `run.py --resume` does not repeat it."""


FilePath = Annotated[str, Location()]
ModelPath = Annotated[str, Location(("data",))]  # data: the network trained in data/
OneRun = Annotated[Value, Once()]  # such as OneRun[bool]


@dataclass(frozen=True)
class Description:
    """What an annotation allows, in words, for a predicate."""

    text: str


Settings = TypeVar("Settings", bound="DataclassInstance")
Values = dict[str, Any]  # by the setting's name

BOUNDS: dict[type, str] = {
    Ge: "at least {:,}",
    Gt: "greater than {:,}",
    Le: "at most {:,}",
    Lt: "less than {:,}",
    MinLen: "at least {} of them",
    Description: "{}",
}
NOUNS = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}
MAX_VALUE_LENGTH = 60  # characters of a value in a message
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass
class Override:
    """A setting that differs from what it would otherwise be.

    Attributes:
        name: Its name.
        value: The value that is used.
        origin: "flag" or "file".
        replaced: The value that is not used.
        replaced_origin: "file" or "recipe".
    """

    name: str
    value: Any
    origin: Literal["flag", "file"]
    replaced: Any
    replaced_origin: Literal["file", "recipe"]

    def __str__(self) -> str:
        edited = " in the file" if self.origin == "file" else ""
        replaced = format_setting(self.replaced)
        return (
            f"{self.name} = {format_setting(self.value)}{edited} (in the {self.replaced_origin}: {replaced})"
        )


class SettingsSource(Generic[Settings]):
    """The settings that a script's file and its recipes give, before the flags.

    A setting that was edited in the file, so that it differs from the recipe `baseline`, wins over another recipe.
    """

    def __init__(self, settings_class: type[Settings], recipes: Mapping[str, Values] | None = None):
        """Check the file's values.

        Args:
            settings_class: The script's dataclass of settings; with recipes, it has a field `recipe`.
            recipes: Values by the recipe's name. `baseline` has the value of each setting that another one sets.

        Raises:
            ValueError: For values in the file that their annotations do not allow.
        """
        self.settings_class = settings_class
        self.recipes = recipes or {}
        self.annotations = get_type_hints(settings_class, include_extras=True)
        self._check_class()
        self.file = self.check(dataclasses.asdict(settings_class()), self._name_line)

    def defaults(self, recipe: str) -> Settings:
        """Return the settings that a recipe and the file give.

        Raises:
            ValueError: For an unknown recipe, or values in it that the settings do not allow.
        """
        if not self.recipes:
            return self.settings_class(**self.file)
        self.check({"recipe": recipe}, lambda name: "the flag --recipe")
        path = "pipeline/training/recipes.py"
        values = self.check(self.recipes[recipe], lambda name: f"recipe {recipe}, {path}")
        unedited = {name: value for name, value in values.items() if not self._is_edited(name)}
        return self.settings_class(**(self.file | unedited | {"recipe": recipe}))

    def complete(self, settings: Settings, defaults: Settings) -> Settings:
        """Return the settings with the flags' values checked; `settings` differ from `defaults` by the flags."""
        values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
        changed = {name: value for name, value in values.items() if value is not getattr(defaults, name)}
        flags = self.check(changed, lambda name: f"the flag --{name.replace('_', '-')}")
        return self.settings_class(**(values | flags))

    def overrides(self, settings: Settings, defaults: Settings) -> list[Override]:
        """Return what the flags and the edited file changed, in the order of the settings."""
        overrides = []
        recipe = self.recipes.get(getattr(settings, "recipe", ""), {})
        for name, file_value in self.file.items():
            value, default = getattr(settings, name), getattr(defaults, name)
            if name == "recipe":
                default = file_value
            replaced = recipe.get(name, file_value)
            if value != default:
                is_recipes = name in recipe and default == replaced != file_value
                origin: Literal["file", "recipe"] = "recipe" if is_recipes else "file"
                overrides.append(Override(name, value, "flag", default, origin))
            elif value != replaced:
                overrides.append(Override(name, value, "file", replaced, "recipe"))
        return overrides

    def check(self, values: Values, name_origin: Callable[[str], str]) -> Values:
        """Return the values as their annotations have them, such as 1.0 for the 1 of a float.

        Raises:
            ValueError: A line for each value that is not allowed: its name, origin, and what is allowed.
        """
        checked, problems = {}, []
        for name, value in values.items():
            try:
                checked[name] = check_value(value, self.annotations[name])
            except ValueError as error:
                problems.append(f"{name} is {_shorten(value)} ({name_origin(name)}), but must be {error}")
        if problems:
            raise ValueError("\n".join(problems))
        return checked

    def _check_class(self) -> None:
        for name, value in vars(self.settings_class).items():
            if name not in self.annotations and not name.startswith("_") and not callable(value):
                raise ValueError(
                    f"{name} ({self._name_line(name)}) has no type and is therefore no setting. "
                    f"Write {name}: <type> = {value!r}."
                )

    def _is_edited(self, name: str) -> bool:
        return self.file[name] != self.recipes["baseline"].get(name, self.file[name])

    def _name_line(self, name: str) -> str:
        """Return the script and the line in which it sets a setting."""
        path = Path(getattr(sys.modules[self.settings_class.__module__], "__file__", None) or sys.argv[0])
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return path.name
        start = next((n for n, line in enumerate(lines) if line.startswith("class Settings")), 0)
        numbers = (
            n for n, line in enumerate(lines[start:], start + 1) if re.match(rf"\s+{name}\s*[:=]", line)
        )
        return f"{path.name}, line {next(numbers, start + 1)}"


# --------------------------------------------------------------------------------------------------
# One value
# --------------------------------------------------------------------------------------------------
def check_value(value: Any, annotation: Any) -> Any:
    """Return a value as its annotation has it, such as 1.0 for the 1 of a float.

    Raises:
        ValueError: With what is allowed, and a value that may have been meant.
    """
    if is_allowed(value, annotation):
        return _build_adapter(annotation).validate_python(value)
    guess = _guess_value(value, annotation)
    question = f" Did you mean {guess!r}?" if is_allowed(guess, annotation) else ""
    raise ValueError(f"{describe(annotation)}.{question}")


def is_allowed(value: Any, annotation: Any) -> bool:
    """Return whether a value has the type and lies in the range of an annotation."""
    if get_origin(annotation) is Literal and isinstance(value, bool | float):
        return False  # pydantic takes True and 1.0 for 1
    try:
        _build_adapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


def describe(annotation: Any) -> str:
    """Describe the allowed values, such as "a whole number, at least 1 and at most 20"."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [bound for bound in arguments[1:] if type(bound) in BOUNDS]
        words = [BOUNDS[type(bound)].format(*dataclasses.astuple(bound)) for bound in bounds]
        return describe(arguments[0]) + (f", {' and '.join(words)}" if words else "")
    if origin is Literal:
        return " or ".join(filter(None, [", ".join(map(repr, arguments[:-1])), repr(arguments[-1])]))
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"a tuple of values, each {describe(arguments[0])}"
    if origin is tuple:
        return f"a tuple of {len(arguments)} values, each {describe(arguments[0])}"
    return NOUNS.get(annotation, str(annotation))


def parse_number(text: str) -> int | float | str:
    """Return the number that a text states, or the text itself where it states none."""
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            pass
    return text


@cache
def _build_adapter(annotation: Any) -> TypeAdapter:
    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


def _guess_value(value: Any, annotation: Any) -> Any:
    """Return the first allowed value that may have been meant, or the value itself."""
    return next((guess for guess in _list_guesses(value, annotation) if is_allowed(guess, annotation)), value)


def _list_guesses(value: Any, annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(value, str):
        yield parse_number(value)
    if origin is Literal:
        choices = {str(choice).lower(): choice for choice in arguments}
        for match in get_close_matches(str(value).strip().lower(), choices, n=1):
            yield choices[match]
    yield BOOLEANS.get(str(value).lower())
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    if isinstance(value, tuple | list):
        yield from value if len(value) == 1 else ()
        yield tuple(_guess_value(item, arguments[0]) for item in value) if origin is tuple else None
    if hasattr(value, "item"):  # a NumPy number
        yield value.item()
    yield (value,)


def _shorten(value: Any) -> str:
    """Format a value that is not allowed, which may be of any length."""
    text = repr(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}..."
