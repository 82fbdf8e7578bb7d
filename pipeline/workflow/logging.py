"""Keeping back TensorFlow's start-up chatter, which hides what a step has to say."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Silences what TensorFlow says later on; what it says while it is imported no setting silences.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every second network in a process
logging.getLogger("absl").setLevel(logging.ERROR)  # Keras warns through it that .h5 is an old format


@contextmanager
def suppress_output(stream: int = 2) -> Iterator[None]:
    """Keep back what compiled code writes to a standard stream, and show it only if an exception follows.

    stream: 2, the standard error, or 1, the standard output.
    """
    python_stream = sys.stdout if stream == 1 else sys.stderr
    python_stream.flush()
    with tempfile.TemporaryFile() as kept_back:
        original = os.dup(stream)
        os.dup2(kept_back.fileno(), stream)
        try:
            yield
        except Exception:
            kept_back.seek(0)
            os.write(original, kept_back.read())
            raise
        finally:
            python_stream.flush()
            os.dup2(original, stream)
            os.close(original)
