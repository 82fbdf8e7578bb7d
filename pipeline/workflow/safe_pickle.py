"""Read and write pickles of plain data and NumPy arrays that cannot run code when they are loaded.

An array is stored as a persistent id, ("ndarray", dtype, shape, bytes), and is rebuilt by this module. So no pickle
needs to name a function or a class, and one that does is refused.

    dump(value, file)
    value = load(file)
"""

import math
import pickle
import pickletools
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

MAX_DEPTH = 32  # of containers within containers
MAX_STRING_LENGTH = 4096  # characters of the strings in a string array
NUMERIC_DTYPES = frozenset(np.dtype(code).str for code in "?bBhHiIlLqQefd")
# The opcodes that `dump` writes. A pickle with any other one, such as those that call a function, is not loaded.
SAFE_OPCODES = {
    *("PROTO", "FRAME", "STOP", "MEMOIZE", "BINGET", "LONG_BINGET", "BINPERSID"),
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *(
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ),
    *("MARK", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE"),
}


def dump(value: Any, file: "SupportsWrite[bytes]") -> None:
    """Pickle plain data: None, bool, int, float, str, bytes, list, tuple, dict, and arrays of these.

    Raises:
        TypeError: If `value` holds anything else, or containers nested deeper than MAX_DEPTH.
    """
    check_plain(value)
    pickler = _ArrayPickler(file, protocol=5)
    pickler.fast = _has_shared_tuple(value)  # writes an object that occurs twice as two
    pickler.dump(value)


def load(file: IO[bytes]) -> Any:
    """Load what `dump` wrote to a seekable file, from its current position to its end.

    Raises:
        pickle.UnpicklingError: If the file is damaged or holds more than plain data. No code in it has run.
    """
    try:
        start = file.tell()
        _check_opcodes(file)
        if file.read(1):
            raise pickle.UnpicklingError("there is data after the end of the pickle")
        file.seek(start)
        value = _ArrayUnpickler(file).load()
        check_plain(value)
    except pickle.UnpicklingError:
        raise
    except OSError:  # the disk failed; the content may be fine
        raise
    except Exception as error:  # damaged content makes the unpickler raise any kind of exception
        raise pickle.UnpicklingError(str(error) or type(error).__name__) from error
    return value


def _check_opcodes(file: IO[bytes]) -> None:
    """Raise UnpicklingError for an opcode that `dump` does not write, and for a tuple that is used twice.

    A few tuples that each hold the previous one twice would take hours to hash as a key of a dict.
    """
    previous = ""
    memo: list[str] = []  # the opcode that made each object to which a later opcode can refer
    for opcode, argument, position in pickletools.genops(file):
        if opcode.name not in SAFE_OPCODES:
            raise pickle.UnpicklingError(f"opcode {opcode.name} at byte {position} is not allowed")
        if opcode.name == "MEMOIZE":
            memo.append(previous)
        elif opcode.name in ("BINGET", "LONG_BINGET") and memo[int(argument or 0)].startswith("TUPLE"):
            raise pickle.UnpicklingError(f"a tuple is used twice, at byte {position}")
        previous = opcode.name


def check_plain(value: Any, name: str = "value") -> None:
    """Raise TypeError, with the place within `value`, unless it is plain data; visits a shared container once."""
    seen: set[int] = set()
    pending = [(value, name, 0)]
    while pending:
        item, place, depth = pending.pop()
        if isinstance(item, np.ndarray):
            if not _is_storable(item.dtype):
                raise TypeError(f"{place} is an array of {item.dtype}; only plain data can be stored.")
        elif type(item) in (dict, list, tuple):
            if depth == MAX_DEPTH:
                raise TypeError(f"{place} is nested more than {MAX_DEPTH} levels deep.")
            if id(item) not in seen:
                seen.add(id(item))
                pending += [(inner, f"{place}[{key!r}]", depth + 1) for key, inner in _members(item)]
        elif type(item) not in (type(None), bool, int, float, str, bytes):
            raise TypeError(f"{place} is a {type(item).__name__}; only plain data can be stored.")


def _members(container: dict | list | tuple) -> list[tuple[Any, Any]]:
    """Return (key or index, value) of each member; a dict's keys are members too."""
    if isinstance(container, dict):
        return [*container.items(), *((f"key {key!r:.40}", key) for key in container)]
    return list(enumerate(container))


def _has_shared_tuple(value: Any) -> bool:
    seen: set[int] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        if id(item) in seen and type(item) is tuple:
            return True
        if type(item) in (dict, list, tuple) and item and id(item) not in seen:
            seen.add(id(item))
            pending += [inner for _, inner in _members(item)]
    return False


class _ArrayPickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> tuple | None:
        if not isinstance(value, np.ndarray):
            return None
        content = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        if (
            not content.flags.writeable
        ):  # pickle stores a read-only buffer as bytes, which cannot become a writeable array
            content = content.copy()
        return ("ndarray", value.dtype.str, value.shape, pickle.PickleBuffer(content.data))


class RestrictedUnpickler(pickle.Unpickler):
    """Unpickle without access to any module: a pickle that names a class or a function is refused.

    A subclass can map names to its own functions, (module, name) -> function, which are called instead.
    """

    safe_globals: Mapping[tuple[str, str], Any] = MappingProxyType({})

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.safe_globals:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return self.safe_globals[module, name]


class _ArrayUnpickler(RestrictedUnpickler):
    def persistent_load(self, persistent_id: Any) -> np.ndarray:
        kind, code, shape, content = persistent_id
        if kind != "ndarray" or type(code) is not str or type(shape) is not tuple:
            raise pickle.UnpicklingError("an array has no valid header")
        if type(content) is not bytearray or not all(type(side) is int and side >= 0 for side in shape):
            raise pickle.UnpicklingError("an array has no valid shape or content")
        if code not in NUMERIC_DTYPES and not code.startswith("<U"):
            raise pickle.UnpicklingError(f"an array has the dtype {code!r}")
        dtype = np.dtype(code)
        if not _is_storable(dtype) or math.prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f"an array of {dtype} and shape {shape} has {len(content)} bytes")
        if dtype.kind == "U" and (np.frombuffer(content, np.uint32) > sys.maxunicode).any():
            raise pickle.UnpicklingError("an array holds what is no character")
        return np.ndarray(shape, dtype, buffer=content)


def _is_storable(dtype: np.dtype) -> bool:
    if dtype.kind == "U":
        return dtype.isnative and 0 < dtype.itemsize <= 4 * MAX_STRING_LENGTH
    return dtype.str in NUMERIC_DTYPES
