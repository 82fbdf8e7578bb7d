"""Check the settings of step 8 that depend on each other; the ranges are those of their annotations."""

from typing import Any

from pipeline.training.distributed import check_distribution
from pipeline.training.fine_tuning import check_phases
from pipeline.training.optimizers import check_optimizer


def check_combinations(settings: Any) -> None:
    """Raise ValueError, naming the settings and their values, for settings that do not fit together."""
    check_phases(settings)
    check_optimizer(settings)
    check_distribution(settings)
