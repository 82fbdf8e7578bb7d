"""The residual network that Compact_model.py and Strong_model.py build, each in a size of its own.

K. He et al., "Deep Residual Learning for Image Recognition", 2015. Its first convolution halves the picture at once,
which a processor needs to train it in an hour.
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
) -> keras.Model:
    """A network for faces of `face_shape`, (height, width, channels), in [0, 1].

    filters and blocks: those of each stage; from stage to stage the picture halves. dropout: share of the features
    left out, in training, before the last layer. Raises ValueError where the two differ in length.
    """
    if len(filters) != len(blocks) or not filters:
        raise ValueError(
            f"filters has {len(filters)} stages and blocks {len(blocks)}, but both need the same number."
        )
    faces = keras.Input(face_shape, name="face")
    x = layers.Rescaling(2.0, offset=-1.0)(faces)
    x = conv_batch_norm(x, filters[0], kernel_size=5, strides=2)
    for stage, (width, depth) in enumerate(zip(filters, blocks, strict=True)):
        for block in range(depth):
            x = residual_block(x, width, strides=2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(faces, layers.Dense(len(EMOTIONS), activation="softmax", name="emotion")(x), name=name)


def residual_block(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Two convolutions, added to what came in."""
    y = conv_batch_norm(x, filters, strides=strides)
    y = conv_batch_norm(y, filters, activation=False)
    if strides > 1 or x.shape[-1] != filters:
        x = conv_batch_norm(x, filters, kernel_size=1, strides=strides, activation=False)
    return layers.ReLU()(layers.Add()([x, y]))


def conv_batch_norm(
    x: keras.KerasTensor, filters: int, kernel_size: int = 3, strides: int = 1, activation: bool = True
) -> keras.KerasTensor:
    """Convolution, batch normalization and, where wanted, ReLU."""
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activation else x
