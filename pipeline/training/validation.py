"""Check the settings of step 8 before any data is read; each module checks the settings that it uses."""

from typing import Any

from pipeline.data.augmentation import Augmentation
from pipeline.training.distillation import validate_distillation
from pipeline.training.distributed import validate_distribution
from pipeline.training.fine_tuning import validate_phases
from pipeline.training.optimizers import validate_optimizer
from pipeline.training.ranges import check_not_negative, check_positive


def validate_settings(settings: Any) -> None:
    """Raise ValueError, naming the setting, its value and its range, for settings out of range."""
    check_positive(settings, "batch_size")
    check_not_negative(settings, "early_stopping_patience")
    validate_phases(settings)
    validate_optimizer(settings)
    validate_distillation(settings)
    Augmentation.from_settings(settings).validate()
    validate_distribution(settings)
