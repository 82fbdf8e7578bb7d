"""Training phases, and freezing the backbone."""

import pytest

import Compiling_model
from pipeline.models.backend import keras
from pipeline.training.fine_tuning import Phase, prepare_backbone, split_into_phases

FROZEN, TUNED = Phase(0, 3, 0.1, "constant", True), Phase(3, 10, 0.01, "cosine", False)


def settings(frozen_epochs: int) -> Compiling_model.Settings:
    return Compiling_model.Settings(
        epochs=10,
        frozen_epochs=frozen_epochs,
        learning_rate=0.1,
        fine_tuning_learning_rate=0.01,
        schedule="cosine",
    )


def test_fine_tuning_has_its_own_learning_rate_and_the_schedule():
    frozen, tuned = split_into_phases(settings(frozen_epochs=3))
    assert frozen == Phase(0, 3, 0.1, "constant", is_frozen=True)
    assert tuned == Phase(3, 10, 0.01, "cosine", is_frozen=False)


def test_without_frozen_epochs_there_is_one_phase():
    assert split_into_phases(settings(frozen_epochs=0)) == [Phase(0, 10, 0.1, "cosine", is_frozen=False)]


def test_all_epochs_may_be_frozen():
    assert [phase.is_frozen for phase in split_into_phases(settings(frozen_epochs=10))] == [True]


def test_backbone_is_frozen_and_unfrozen():
    backbone = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="backbone")
    model = keras.Sequential([keras.Input((4,)), backbone, keras.layers.Dense(7)])
    prepare_backbone(model, FROZEN)
    assert len(model.trainable_weights) == 2
    prepare_backbone(model, TUNED)
    assert len(model.trainable_weights) == 4


def test_a_network_without_a_backbone_cannot_be_frozen():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(7)], name="LeNet-5")
    with pytest.raises(ValueError, match=r"LeNet-5.*Transfer_Learning_model\.py"):
        prepare_backbone(model, FROZEN)
