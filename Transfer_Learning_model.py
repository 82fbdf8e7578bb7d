"""Step 7, another way: a network that has learned to see from ImageNet's photographs, and is to learn faces.

A face is enlarged, its gray put into all three channels, and looked at by a backbone without its last layers; a new
last layer names the emotion. The recipe "transfer" of step 8 trains that layer first and then, more gently, all of it.
Needs the arrays of step 6 to be there, for the shape of a face. Writes data/model, and shows results/model.png,
model.txt and model.json.
Run:    python -m pip install --no-deps -r requirements-transfer.txt
        python Transfer_Learning_model.py
        python Compiling_model.py --recipe transfer
        python Transfer_Learning_model.py --weights none     the same from scratch, to compare: then
        python Compiling_model.py --recipe transfer --frozen-epochs 0
        python Transfer_Learning_model.py --backbone ConvNeXtTiny --weights imagenet
Expect: MobileNetV2 with 2.3 million parameters, EfficientNetV2B0 with 5.9, ConvNeXtTiny with 27.8 (for which
        tell step 13 --formats keras litert, because Keras cannot load that one from .h5).
"""

from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers

from pipeline.data.fer2013 import EMOTIONS
from pipeline.models.backbones import build_backbone
from pipeline.models.build_step import run_build_step


@dataclass
class Settings:
    backbone: Literal["MobileNetV2", "EfficientNetV2B0", "ConvNeXtTiny"] = "MobileNetV2"  # what looks at it
    weights: str = "package"  # package (of MobileNetV2), imagenet (Keras's download), none, or a path
    side: int = 96  # pixels that a face is enlarged to: 48, 96, 144 ...; 48 takes a quarter of the time of 96
    dropout: float = 0.2  # share of the features left out, in training, before the last layer
    seed: int = 0  # of the weights that are new
    show: bool = False  # True: open the diagram where there is a display


def build(settings: Settings, face_shape: tuple[int, int, int]) -> keras.Model:
    """A backbone and a new last layer for gray faces of `face_shape`, (height, width, 1), in [0, 1]."""
    if settings.side % face_shape[0]:
        raise ValueError(
            f"side is {settings.side}, but must be a multiple of a face's {face_shape[0]} pixels."
        )
    rescaling, backbone = build_backbone(settings.backbone, settings.weights, settings.side)
    faces = keras.Input(face_shape, name="face")
    # Not keras.layers.Resizing: after it, model(faces) computes as in training and changes the running averages.
    x = layers.UpSampling2D(settings.side // face_shape[0], interpolation="bilinear")(faces)
    x = layers.Concatenate()([x, x, x])
    x = backbone(rescaling(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(settings.dropout)(x)
    emotion = layers.Dense(len(EMOTIONS), activation="softmax", name="emotion")(x)
    return keras.Model(faces, emotion, name=f"Transfer-{settings.backbone}")


if __name__ == "__main__":
    run_build_step(build, Settings)
