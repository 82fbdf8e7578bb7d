"""Alternative step 7: build a network on a pretrained backbone, for transfer learning.

A face is upsampled and a backbone without its classification layers extracts features; a new dense layer classifies the
emotion. Step 8's recipe "transfer" first trains that layer with the backbone frozen, then fine-tunes all layers at a
lower learning rate. The default backbone was trained to tell the faces of people apart, the others on ImageNet.

Reads:  data/train_x (the shape of a face), data/emotions
Writes: data/model, results/model.png, model.txt, model.json
Run:    python3 -m pip install --no-deps -r requirements/transfer.txt
        python3 Transfer_Learning_model.py
        python3 Compiling_model.py --recipe transfer
    Without pretraining, for comparison:
        python3 Transfer_Learning_model.py --weights none
        python3 Compiling_model.py --recipe transfer --frozen-epochs 0
    Another backbone:
        python3 Transfer_Learning_model.py --backbone ConvNeXtTiny --weights imagenet
Expect: 5.6 million parameters for FaceResNet, 2.3 for MobileNetV2, 5.9 for EfficientNetV2B0, 27.8 for ConvNeXtTiny.
        Keras cannot load ConvNeXtTiny from .h5: run step 13 with --formats keras litert.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pipeline.models.build_step import run_build_step

from pipeline.figures.formats import FigureFormats
from pipeline.models.backbones import build_backbone
from pipeline.models.backend import keras
from pipeline.workflow.settings import Fraction, Location, PositiveInt, Seed

layers = keras.layers

BackboneName = Literal["FaceResNet", "MobileNetV2", "EfficientNetV2B0", "ConvNeXtTiny"]
WeightsPath = Annotated[str, Location(("package", "imagenet", "none"))]


@dataclass
class Settings:
    backbone: BackboneName = "FaceResNet"  # dlib's network for face recognition, or one of keras.applications
    weights: WeightsPath = "package"  # package (FaceResNet, MobileNetV2), imagenet, none, or a path
    side: PositiveInt = 96  # pixels that a face is upsampled to, a multiple of 48; 48 is four times as fast
    dropout: Fraction = 0.2  # rate in [0, 1) before the last layer

    seed: Seed = 0  # of the weights that are not pretrained
    figures: FigureFormats = ("png",)  # formats of the diagram: png svg pdf; the report shows png
    show: bool = False  # True: open the diagram if there is a display


def build(settings: Settings, face_shape: tuple[int, int, int], n_emotions: int = 7) -> keras.Model:
    """Build a backbone and a new last layer for grayscale faces of `face_shape`, (height, width, 1), in [0, 1]."""
    if settings.side % face_shape[0]:
        raise ValueError(
            f"side is {settings.side}, but must be a multiple of the {face_shape[0]} pixels of a face."
        )
    prepare_input, backbone = build_backbone(settings.backbone, settings.weights, settings.side)
    faces = keras.Input(face_shape, name="face")
    # Not keras.layers.Resizing: after it, model(faces) runs in training mode and changes the running averages.
    x = layers.UpSampling2D(settings.side // face_shape[0], interpolation="bilinear")(faces)
    x = backbone(prepare_input(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(settings.dropout)(x)
    emotion = layers.Dense(n_emotions, activation="softmax", name="emotion")(x)
    return keras.Model(faces, emotion, name=f"Transfer-{settings.backbone}")


if __name__ == "__main__":
    run_build_step(build, Settings)
