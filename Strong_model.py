"""Alternative step 7: build Strong, a wide residual network, the most accurate one without pretraining.

The same architecture as Compact_model.py with two to four times the filters (64, 128, 256), eleven times the
parameters, and more dropout because a large network overfits more. It learns well without a teacher, and is one of the
teachers of Compact and of the distilled LeNet-5; models/Strong.md has the recipe of what ships.
Reads:  data/train_x (the shape of a face), data/emotions
Writes: data/model, results/model.png, model.txt, model.json
Run:    python3 Strong_model.py
        python3 Compiling_model.py --recipe residual
Expect: 2.7 million parameters, 16 times as many as LeNet-5; most of an hour of training on two CPU cores with
        bfloat16 support (on others, use --precision float32).
"""

from dataclasses import dataclass

from pipeline.models.build_step import run_build_step

from pipeline.figures.formats import FigureFormats
from pipeline.models.backend import keras
from pipeline.models.residual import build_residual_network
from pipeline.workflow.settings import Fraction, PositiveInt, Seed


@dataclass
class Settings:
    filters: tuple[PositiveInt, ...] = (64, 128, 256)  # of each stage; the image halves from stage to stage
    blocks: tuple[PositiveInt, ...] = (1, 2, 2)  # residual blocks of each stage
    dropout: Fraction = 0.3  # rate in [0, 1) before the last layer

    seed: Seed = 0  # of the initial weights
    figures: FigureFormats = ("png",)  # formats of the diagram: png svg pdf; the report shows png
    show: bool = False  # True: open the diagram if there is a display


def build(settings: Settings, face_shape: tuple[int, int, int], n_emotions: int = 7) -> keras.Model:
    """Build Strong for faces of shape `face_shape`, (height, width, channels), in [0, 1]."""
    return build_residual_network(
        "Strong", face_shape, settings.filters, settings.blocks, settings.dropout, n_emotions
    )


if __name__ == "__main__":
    run_build_step(build, Settings)
