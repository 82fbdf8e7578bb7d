"""Explain values in a script's class `Settings` with which Python cannot build it: an unquoted text, a list."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from pipeline.workflow.settings import check_value

CLASS_NAME = "Settings"


def explain_settings_error(script: Path, error: BaseException, trace: TracebackType | None) -> str:
    """Return a line for each value that keeps `Settings` from being built: file, line, and what is allowed.

    Args:
        script: The script that was started.
        error: Raised while the script ran.
        trace: Its traceback.

    Returns:
        The lines; "" if the error has another origin.
    """
    for frame, line in _list_frames(trace):
        if Path(frame.f_code.co_filename) != script:
            continue
        fields = _find_fields(script, line)
        in_body = frame.f_code.co_name == CLASS_NAME
        wrong = [
            field for field in fields if (_has_line(field, line) if in_body else _is_refused(field.value))
        ]
        if in_body or wrong:
            return "\n".join(_explain(field, script, frame.f_globals, error) for field in wrong)
    return ""


def _list_frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a traceback, each with its line, the innermost first."""
    frames = []
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    yield from reversed(frames)


def _find_fields(script: Path, line: int) -> list[ast.AnnAssign]:
    """Return the fields of the class `Settings` that a line belongs to, its decorator included."""
    for node in ast.walk(ast.parse(script.read_bytes())):
        if isinstance(node, ast.ClassDef) and node.name == CLASS_NAME:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first <= line <= (node.end_lineno or first):
                return [field for field in node.body if isinstance(field, ast.AnnAssign)]
    return []


def _has_line(field: ast.AnnAssign, line: int) -> bool:
    return field.lineno <= line <= (field.end_lineno or field.lineno)


def _is_refused(value: ast.expr | None) -> bool:
    """Return whether a dataclass refuses a default: there is none, or it is a list, a dictionary or a set."""
    return value is None or isinstance(value, ast.List | ast.Dict | ast.Set)


def _explain(field: ast.AnnAssign, script: Path, scope: dict[str, Any], error: BaseException) -> str:
    name, line = ast.unparse(field.target), f"{script.name}, line {field.lineno}"
    if field.value is None:
        return f"{name} ({line}) has no value. Write {name}: {ast.unparse(field.annotation)} = <value>."
    try:
        annotation = eval(compile(ast.Expression(field.annotation), script.name, "eval"), scope)
    except Exception:  # the type is what is wrong
        return f"{name} ({line}) has no valid type: {error}."
    text = ast.unparse(field.value)
    value: Any = text
    if _is_refused(field.value):
        value = ast.literal_eval(field.value)
    try:
        check_value(value, annotation)
    except ValueError as allowed:
        return f"{name} is {text} ({line}), but must be {allowed}"
    return f"{name} is {text} ({line}), which Python does not know ({error}). Did you mean {value!r}?"
