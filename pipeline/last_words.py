"""How a script ends when something stops it that isn't its own fault: in a sentence, without a traceback.

That is Ctrl-C, at whatever moment, and a library that this Python doesn't have. Importing this is enough.
"""

import os
import sys
from pathlib import Path
from types import TracebackType


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    script = Path(sys.argv[0]).name
    if issubclass(kind, KeyboardInterrupt):
        _say(f"\n{script} was stopped by the keyboard. Nothing is half written; run it again to go on.")
    elif issubclass(kind, ModuleNotFoundError) and error.name and not error.name.startswith("pipeline"):
        _say(f"{script}: this Python ({sys.executable}) has no {error.name}. {_remedy(error.name, script)}")
    else:
        sys.__excepthook__(kind, error, trace)


def _remedy(module: str, script: str) -> str:
    backend = os.environ.get("KERAS_BACKEND", "")
    if module in ("jax", "jaxlib", "torch") and backend:
        return (
            f"KERAS_BACKEND is {backend!r}: install that, or unset KERAS_BACKEND to compute with TensorFlow."
        )
    if module == "gradio":
        return f"Run: {sys.executable} -m pip install -r requirements-page.txt"
    python = Path(".venv") / ("Scripts" if os.name == "nt" else "bin") / "python"
    return f"Run: python3 run.py   which installs everything, and then: {python} {script}"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


sys.excepthook = _tell
