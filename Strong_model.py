"""Step 7, another way: the most accurate network without pretraining, a residual network.

Needs the arrays of step 6 to be there, for the shape of a face. Writes data/model, and shows results/model.png,
model.txt and model.json.
Run:    python Strong_model.py
        python Compiling_model.py --recipe residual
Expect: 2.7 million parameters, sixteen times LeNet-5's, and most of an hour to train on two processor cores that
        know bfloat16 (--precision float32 for others).
"""

from dataclasses import dataclass

import keras

from pipeline.models.build_step import run_build_step
from pipeline.models.residual import build_residual_network


@dataclass
class Settings:
    filters: tuple[int, ...] = (64, 128, 256)  # of each stage; from stage to stage the picture halves
    blocks: tuple[int, ...] = (1, 2, 2)  # residual blocks of each stage
    dropout: float = 0.3  # share of the features left out, in training, before the last layer
    seed: int = 0  # of the weights it starts from
    show: bool = False  # True: open the diagram where there is a display


def build(settings: Settings, face_shape: tuple[int, int, int]) -> keras.Model:
    return build_residual_network("Strong", face_shape, settings.filters, settings.blocks, settings.dropout)


if __name__ == "__main__":
    run_build_step(build, Settings)
