"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

from dataclasses import dataclass

from pipeline.models import serialization
from pipeline.models.backend import keras


@dataclass(frozen=True)
class Phase:
    """A stretch of a training, from epoch `start` to before epoch `stop`, counted from 0, with its own optimizer."""

    start: int
    stop: int
    learning_rate: float  # its highest value
    schedule: str  # "constant" or "cosine"
    frozen: bool  # whether the networks within the network keep their weights


def set_backbone_trainable(model: keras.Model, frozen: bool) -> None:
    """Let the networks within a network keep their weights, or learn; holds once the model is compiled again.

    A frozen batch normalization uses the running averages that it has, and leaves them as they are.
    Raises ValueError for a network that has none within it.
    """
    if not serialization.get_backbones(model):
        raise ValueError(
            f"frozen_epochs is for a network with another one within it, a backbone; {model.name} has none. Build one "
            "with Transfer_Learning_model.py, or set frozen_epochs to 0."
        )
    for backbone in serialization.get_backbones(model):
        backbone.trainable = not frozen
