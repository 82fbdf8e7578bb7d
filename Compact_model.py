"""Step 7, another way: a small network made for processors, a narrow residual network.

Needs the arrays of step 6 to be there, for the shape of a face. Writes data/model, and shows results/model.png,
model.txt and model.json.
Run:    python Compact_model.py
        python Compiling_model.py --recipe residual --epochs 120 --teachers models/Strong.keras
Expect: fewer than 0.25 million parameters, and under a millisecond for a face once exported.
"""

from dataclasses import dataclass

import keras

from pipeline.models.build_step import run_build_step
from pipeline.models.residual import build_residual_network


@dataclass
class Settings:
    filters: tuple[int, ...] = (32, 48, 64)  # of each stage; from stage to stage the picture halves
    blocks: tuple[int, ...] = (1, 2, 2)  # residual blocks of each stage
    dropout: float = 0.1  # share of the features left out, in training, before the last layer
    seed: int = 0  # of the weights it starts from
    show: bool = False  # True: open the diagram where there is a display


def build(settings: Settings, face_shape: tuple[int, int, int]) -> keras.Model:
    return build_residual_network("Compact", face_shape, settings.filters, settings.blocks, settings.dropout)


if __name__ == "__main__":
    run_build_step(build, Settings)
