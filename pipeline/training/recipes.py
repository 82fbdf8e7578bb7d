"""Define the recipes of step 8: named sets of settings, selected by `--recipe` and overridden by other flags.

A value that was edited in Compiling_model.py wins over a recipe. It is recognized because it differs from `baseline`,
which therefore lists every setting that a recipe sets. Accuracies and durations of the shipped models are in their
model cards, models/*.md.
"""

from typing import Any, Literal

RecipeName = Literal["baseline", "augmented", "distilled", "residual", "transfer"]

RECIPES: dict[RecipeName, dict[str, Any]] = {
    # The recipe of the published LeNet-5 notebook that this project reproduces: Adam at a constant learning rate,
    # categorical cross-entropy, 30 epochs in batches of 48, no augmentation.
    "baseline": {
        "epochs": 30,
        "batch_size": 48,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "precision": "float32",
        "schedule": "constant",
        "warmup_epochs": 0.0,
        "frozen_epochs": 0,
        "fine_tuning_learning_rate": 0.0005,
        "ema_momentum": 0.0,
        "teachers": (),
        "distillation_weight": 0.7,
        "flip": False,
        "rotate": 0.0,
        "translate": 0.0,
        "zoom": 0.0,
        "contrast": 0.0,
        "brightness": 0.0,
        "random_erasing": 0,
    },
    # LeNet-5 with augmentation, label smoothing and a cosine schedule.
    "augmented": {
        "epochs": 120,
        "batch_size": 128,
        "optimizer": "adamw",
        "learning_rate": 0.002,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "flip": True,
        "rotate": 12,
        "translate": 4,
        "zoom": 0.12,
        "contrast": 0.2,
        "random_erasing": 12,
    },
    # LeNet-5 trained on the predictions of models/Strong.keras. models/LeNet-5_distilled.keras learned from Transfer
    # too, and for longer.
    "distilled": {
        "epochs": 100,
        "batch_size": 128,
        "optimizer": "adamw",
        "learning_rate": 0.002,
        "weight_decay": 0.05,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "teachers": ("models/Strong.keras",),
        "distillation_weight": 1.0,
        "flip": True,
        "rotate": 10,
        "translate": 3,
        "zoom": 0.12,
        "contrast": 0.2,
    },
    # For the residual networks of Strong_model.py and Compact_model.py.
    "residual": {
        "epochs": 66,
        "batch_size": 128,
        "optimizer": "adamw",
        "learning_rate": 0.003,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        "precision": "mixed_bfloat16",
        "schedule": "cosine",
        "warmup_epochs": 3,
        "ema_momentum": 0.999,
        "flip": True,
        "rotate": 10,
        "translate": 4,
        "zoom": 0.15,
        "contrast": 0.15,
        "brightness": 0.1,
        "random_erasing": 16,
    },
    # For the pretrained backbones of Transfer_Learning_model.py: the new head first, then all layers.
    "transfer": {
        "epochs": 16,
        "batch_size": 64,
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "frozen_epochs": 2,
        "fine_tuning_learning_rate": 0.0005,
        "flip": True,
        "rotate": 10,
        "translate": 4,
        "zoom": 0.15,
        "contrast": 0.15,
        "brightness": 0.1,
        "random_erasing": 16,
    },
}
