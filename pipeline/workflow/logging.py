"""Suppress TensorFlow's start-up output, which hides a step's own."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Suppresses TensorFlow's later messages; those printed during its import need suppress_output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of each further network in a process
logging.getLogger("absl").setLevel(logging.ERROR)  # Keras warns through it that .h5 is an old format


@contextmanager
def suppress_output(stream: int = 2) -> Iterator[None]:
    """Suppress what compiled code writes to a standard stream; show it only after an exception.

    Args:
        stream: 1 for standard output, 2 for standard error.
    """
    python_stream = sys.stdout if stream == 1 else sys.stderr
    python_stream.flush()
    with tempfile.TemporaryFile() as suppressed:
        original = os.dup(stream)
        os.dup2(suppressed.fileno(), stream)
        try:
            yield
        except Exception:
            suppressed.seek(0)
            os.write(original, suppressed.read())
            raise
        finally:
            python_stream.flush()
            os.dup2(original, stream)
            os.close(original)
