"""Step 7: the network, LeNet-5.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition", 1998,
with ReLU and max-pooling in place of tanh and subsampling.
Needs the arrays of step 6 to be there, for the shape of a face. Writes data/model, and shows results/model.png,
model.txt and model.json.
Run:    python LeNet-5_model.py
        python LeNet-5_model.py --dense 256 128
Expect: 168,971 parameters, nearly all of them in the first dense layer.
"""

from dataclasses import dataclass

import keras
from keras import layers

from pipeline.data.fer2013 import EMOTIONS
from pipeline.models.build_step import run_build_step


@dataclass
class Settings:
    filters: tuple[int, int] = (6, 16)  # of the two convolutions
    kernel_size: int = 5  # pixels, of both convolutions
    dense: tuple[int, int] = (120, 84)  # units of the two hidden dense layers
    seed: int = 0  # of the weights it starts from
    show: bool = False  # True: open the diagram where there is a display


def build(settings: Settings, face_shape: tuple[int, int, int]) -> keras.Model:
    """LeNet-5 for faces of `face_shape`, (height, width, channels)."""
    return keras.Sequential(
        [
            keras.Input(face_shape, name="face"),
            layers.Conv2D(settings.filters[0], settings.kernel_size, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(settings.filters[1], settings.kernel_size, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(settings.dense[0], activation="relu"),
            layers.Dense(settings.dense[1], activation="relu"),
            layers.Dense(len(EMOTIONS), activation="softmax", name="emotion"),
        ],
        name="LeNet-5",
    )


if __name__ == "__main__":
    run_build_step(build, Settings)
