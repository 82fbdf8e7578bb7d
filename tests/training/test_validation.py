"""Settings of step 8 out of range: ValueError that names the setting, its value and its range."""

import pytest

import Compiling_model
from pipeline.training.recipes import RECIPES
from pipeline.training.validation import check_combinations
from pipeline.workflow.settings import SettingsSource

NAN = float("nan")
SOURCE = SettingsSource(Compiling_model.Settings, RECIPES)


def check(settings: Compiling_model.Settings) -> None:
    """Check each setting as run_step does, and their combinations as main does."""
    SOURCE.check(vars(settings), str)
    check_combinations(settings)


@pytest.mark.parametrize(
    ("values", "key_facts"),
    [
        ({"epochs": 0}, ["epochs is 0"]),
        ({"batch_size": 0}, ["batch_size is 0"]),
        ({"learning_rate": 0}, ["learning_rate is 0"]),
        ({"learning_rate": NAN}, ["learning_rate is nan"]),
        ({"fine_tuning_learning_rate": 0}, ["fine_tuning_learning_rate is 0"]),
        ({"early_stopping_patience": -1}, ["early_stopping_patience is -1"]),
        ({"label_smoothing": 1}, ["label_smoothing is 1", "less than 1"]),
        ({"ema_momentum": 1.5}, ["ema_momentum is 1.5", "less than 1"]),
        ({"distillation_weight": 1.1}, ["distillation_weight is 1.1", "at most 1"]),
        ({"weight_decay": 0.1}, ["weight_decay", "adamw", "sgd"]),
        ({"zoom": 1}, ["zoom", "1"]),
        ({"rotate": -1}, ["rotate", "-1"]),
        ({"random_erasing": 49}, ["random_erasing", "49", "48"]),
        ({"frozen_epochs": -1}, ["frozen_epochs is -1"]),
        ({"frozen_epochs": 31}, ["frozen_epochs is 31", "30"]),
        ({"epochs": 1, "schedule": "cosine", "warmup_epochs": 1}, ["warmup_epochs is 1", "1"]),
        (
            {"epochs": 3, "frozen_epochs": 2, "schedule": "cosine", "warmup_epochs": 1},
            ["warmup_epochs is 1", "frozen_epochs"],
        ),
        ({"num_processes": 2, "coordinator": "a:1"}, ["num_processes", "distribute"]),
        ({"distribute": True, "num_processes": 0}, ["num_processes is 0"]),
        ({"distribute": True, "num_processes": 2, "process_id": 2}, ["process_id is 2", "0 and 1"]),
        ({"distribute": True, "num_processes": 2}, ["coordinator is ''"]),
        ({"distribute": True, "num_processes": 2, "coordinator": "a:b"}, ["coordinator is 'a:b'"]),
        ({"distribute": True, "num_processes": 2, "coordinator": "a:70000"}, ["coordinator is 'a:70000'"]),
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_named(values, key_facts):
    with pytest.raises(ValueError, match=key_facts[0].split()[0]) as caught:
        check(Compiling_model.Settings(**values))
    assert all(fact in str(caught.value) for fact in key_facts)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_valid_and_lists_its_overrides_in_the_order_of_the_settings(name):
    settings = Compiling_model.Settings(recipe=name, **RECIPES[name])
    check(settings)
    fields = list(vars(settings))
    positions = [fields.index(field) for field in RECIPES[name]]
    assert positions == sorted(positions)


def test_the_recipe_baseline_has_the_values_of_the_file_for_all_that_a_recipe_sets():
    in_recipes = {name for values in RECIPES.values() for name in values}
    file = vars(Compiling_model.Settings())
    assert RECIPES["baseline"] == {name: value for name, value in file.items() if name in in_recipes}
