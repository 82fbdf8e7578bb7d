"""Alternative step 7: build Compact, a narrow residual network for fast inference on a CPU.

The same architecture as Strong_model.py with a quarter to half of the filters (32, 48, 64), and less dropout because
a small network overfits less. It needs knowledge distillation for its accuracy: train it with Strong as the teacher.
Reads:  data/train_x (the shape of a face), data/emotions
Writes: data/model, results/model.png, model.txt, model.json
Run:    python3 Compact_model.py
        python3 Compiling_model.py --recipe residual --epochs 120 --teachers models/Strong.keras
Expect: 241,191 parameters; exported, less than a millisecond per face.
"""

from dataclasses import dataclass

from pipeline.models.build_step import run_build_step

from pipeline.figures.formats import FigureFormats
from pipeline.models.backend import keras
from pipeline.models.residual import build_residual_network
from pipeline.workflow.settings import Fraction, PositiveInt, Seed


@dataclass
class Settings:
    filters: tuple[PositiveInt, ...] = (32, 48, 64)  # of each stage; the image halves from stage to stage
    blocks: tuple[PositiveInt, ...] = (1, 2, 2)  # residual blocks of each stage
    dropout: Fraction = 0.1  # rate in [0, 1) before the last layer

    seed: Seed = 0  # of the initial weights
    figures: FigureFormats = ("png",)  # formats of the diagram: png svg pdf; the report shows png
    show: bool = False  # True: open the diagram if there is a display


def build(settings: Settings, face_shape: tuple[int, int, int], n_emotions: int = 7) -> keras.Model:
    """Build Compact for faces of shape `face_shape`, (height, width, channels), in [0, 1]."""
    return build_residual_network(
        "Compact", face_shape, settings.filters, settings.blocks, settings.dropout, n_emotions
    )


if __name__ == "__main__":
    run_build_step(build, Settings)
