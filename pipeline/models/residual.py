"""Build residual networks, for Compact_model.py and Strong_model.py.

K. He et al., "Deep Residual Learning for Image Recognition", 2015. The first convolution halves the image, which
shortens a training on processor cores to an hour.
"""

from pipeline.data.fer2013 import EMOTIONS
from pipeline.models.backend import keras

layers = keras.layers


def build_residual_network(
    name: str,
    face_shape: tuple[int, int, int],
    filters: tuple[int, ...],
    blocks: tuple[int, ...],
    dropout: float,
    n_emotions: int = len(EMOTIONS),
) -> keras.Model:
    """Build a residual network for faces in [0, 1].

    Args:
        name: The network's name.
        face_shape: (height, width, channels) of the input.
        filters: Filters of each stage. The image halves from stage to stage.
        blocks: Residual blocks of each stage.
        dropout: Dropout rate in [0, 1) before the last layer.
        n_emotions: Number of outputs.

    Raises:
        ValueError: If filters and blocks differ in length or are empty.
    """
    if len(filters) != len(blocks) or not filters:
        raise ValueError(
            f"filters has {len(filters)} stages and blocks has {len(blocks)}. Both need the same number, at least 1."
        )
    faces = keras.Input(face_shape, name="face")
    x = layers.Rescaling(2.0, offset=-1.0)(faces)
    x = conv_batch_norm(x, filters[0], kernel_size=5, strides=2)
    for stage, (n_filters, n_blocks) in enumerate(zip(filters, blocks, strict=True)):
        for block in range(n_blocks):
            x = residual_block(x, n_filters, strides=2 if stage > 0 and block == 0 else 1)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    emotion = layers.Dense(n_emotions, activation="softmax", name="emotion")(x)
    return keras.Model(faces, emotion, name=name)


def residual_block(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Add two convolutions to their input, which is projected where its shape differs."""
    y = conv_batch_norm(x, filters, strides=strides)
    y = conv_batch_norm(y, filters, activation=False)
    if strides > 1 or x.shape[-1] != filters:
        x = conv_batch_norm(x, filters, kernel_size=1, strides=strides, activation=False)
    return layers.ReLU()(layers.Add()([x, y]))


def conv_batch_norm(
    x: keras.KerasTensor, filters: int, kernel_size: int = 3, strides: int = 1, activation: bool = True
) -> keras.KerasTensor:
    """Apply a convolution, batch normalization and, with `activation`, ReLU."""
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activation else x
