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
def without_chatter() -> Iterator[None]:
    """Keep back what compiled code writes to the standard error, and show it only if an exception follows."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept_back:
        standard_error = os.dup(2)
        os.dup2(kept_back.fileno(), 2)
        try:
            yield
        except Exception:
            kept_back.seek(0)
            os.write(standard_error, kept_back.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)
