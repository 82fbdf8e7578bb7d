"""Import Keras without TensorFlow's start-up messages, on any backend, with the settings that the steps expect.

from pipeline.models.backend import keras
"""

import sys

from pipeline.workflow.logging import suppress_output

__all__ = ["keras"]

try:
    with suppress_output():
        import keras
except ValueError as error:
    sys.exit(
        f"Keras cannot start: {error} Set KERAS_BACKEND to tensorflow, jax or torch, and check ~/.keras/keras.json."
    )

# The user's keras.json may have other values, for other projects.
keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
