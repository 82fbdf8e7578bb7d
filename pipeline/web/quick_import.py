"""Import Gradio without what this page does not need of it, which takes half of the processor time of its import."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch


class LazyModule(ModuleType):
    """Stands for an installed library until something in it is used; only then is the library imported.

    importlib.util.LazyLoader imports it with the second `import` already, before Python 3.12.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = importlib.util.find_spec(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # which many look up in all modules
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def quick_import() -> Iterator[None]:
    """Within this context, import Gradio without pandas, and without writing stubs for its components.

    Gradio uses pandas for tables and statistics. The stubs, .pyi files for editors, are compared with the source of
    each component at each start, except for components without a source file.
    """
    if "pandas" not in sys.modules:
        sys.modules["pandas"] = LazyModule("pandas")
    with patch.object(inspect, "getfile", side_effect=OSError("Sources are not needed.")):
        yield
