"""Step 7: build the network, LeNet-5.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition", 1998, with
ReLU and max pooling in place of tanh and subsampling.
Reads:  data/train_x (the shape of a face), data/emotions
Writes: data/model, results/model.png, model.txt, model.json
Run:    python3 LeNet-5_model.py
        python3 LeNet-5_model.py --dense 256 128
Expect: 168,971 parameters, nearly all of them in the first dense layer.
"""

from dataclasses import dataclass
from typing import Annotated

from pipeline.models.build_step import run_build_step

from annotated_types import Ge, Le

from pipeline.figures.formats import FigureFormats
from pipeline.models.backend import keras
from pipeline.workflow.settings import PositiveInt, Seed

layers = keras.layers


@dataclass
class Settings:
    filters: tuple[PositiveInt, PositiveInt] = (6, 16)  # of the two convolutions
    kernel_size: Annotated[int, Ge(1), Le(15)] = 5  # pixels, of both convolutions
    dense: tuple[PositiveInt, PositiveInt] = (120, 84)  # units of the two hidden dense layers

    seed: Seed = 0  # of the initial weights
    figures: FigureFormats = ("png",)  # formats of the diagram: png svg pdf; the report shows png
    show: bool = False  # True: open the diagram if there is a display


def build(settings: Settings, face_shape: tuple[int, int, int], n_emotions: int = 7) -> keras.Model:
    """Build LeNet-5 for faces of shape `face_shape`, (height, width, channels), in [0, 1]."""
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
            layers.Dense(n_emotions, activation="softmax", name="emotion"),
        ],
        name="LeNet-5",
    )


if __name__ == "__main__":
    run_build_step(build, Settings)
