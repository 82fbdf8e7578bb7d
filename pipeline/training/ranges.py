"""Check that numeric settings lie in their legal ranges."""

from typing import Any


def check_positive(settings: Any, *names: str) -> None:
    """Raise ValueError for the first of these settings that is not greater than 0, NaN included."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must be greater than 0.")


def check_not_negative(settings: Any, *names: str) -> None:
    """Raise ValueError for the first of these settings that is less than 0 or NaN."""
    for name in names:
        if not getattr(settings, name) >= 0:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must not be less than 0.")


def check_fraction(settings: Any, *names: str, inclusive: bool = False) -> None:
    """Raise ValueError for the first of these settings outside [0, 1), or [0, 1] if `inclusive`."""
    for name in names:
        value = getattr(settings, name)
        if not (0 <= value < 1 or (inclusive and value == 1)):
            upper = "at most" if inclusive else "less than"
            raise ValueError(f"{name} is {value}, but must be at least 0 and {upper} 1.")
