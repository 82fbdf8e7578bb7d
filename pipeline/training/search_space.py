"""Define what a hyperparameter search tries: a range or choices for each setting of step 8 that it varies.

Edit this file to search other settings or ranges; a changed file starts a new search. The names are those of the
settings in Compiling_model.py, the classes Optuna's. Settings that are not listed keep the recipe's value.
"""

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

SEARCH_SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(0.0003, 0.01, log=True),
    "batch_size": CategoricalDistribution([32, 64, 128, 256]),
    "weight_decay": FloatDistribution(0.001, 0.2, log=True),  # requires the optimizer adamw or sgd
    "label_smoothing": FloatDistribution(0.0, 0.2, step=0.05),
    "rotate": FloatDistribution(0.0, 20.0, step=2.0),
    "translate": FloatDistribution(0.0, 6.0, step=1.0),
    "zoom": FloatDistribution(0.0, 0.24, step=0.04),
    "contrast": FloatDistribution(0.0, 0.4, step=0.1),
    "random_erasing": IntDistribution(0, 16, step=4),
}
