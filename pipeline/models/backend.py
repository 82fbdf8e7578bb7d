"""Import Keras without TensorFlow's start-up messages, on any backend.

from pipeline.models.backend import keras
"""

import sys

from pipeline.workflow.logging import suppress_output

__all__ = ["keras"]

try:
    with suppress_output():
        import keras
except ValueError as error:
    sys.exit(f"Keras cannot start: {error} Set KERAS_BACKEND to tensorflow, jax or torch.")
