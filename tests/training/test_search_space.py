"""The ranges of a hyperparameter search are those of settings of step 8."""

from typing import get_type_hints

import pytest
from optuna.distributions import CategoricalDistribution

import Compiling_model
from pipeline.training.search_space import SEARCH_SPACE
from pipeline.workflow.settings import is_allowed


@pytest.mark.parametrize("name", SEARCH_SPACE)
def test_step_8_allows_the_ends_of_a_range(name):
    annotation = get_type_hints(Compiling_model.Settings, include_extras=True)[name]
    distribution = SEARCH_SPACE[name]
    is_choice = isinstance(distribution, CategoricalDistribution)
    ends = distribution.choices if is_choice else (distribution.low, distribution.high)
    assert all(is_allowed(value, annotation) for value in ends)
