"""Weight the loss by class, so that a rare emotion counts as much as a frequent one."""

import numpy as np


def balance_classes(targets: np.ndarray) -> dict[int, float]:
    """Return the class weights "balanced" of scikit-learn as Keras's `class_weight`, {class id: weight}.

    Args:
        targets: (N, K) class distributions; a face belongs to its most probable class.
    """
    from sklearn.utils.class_weight import (
        compute_class_weight,
    )  # takes a second to import, and is rarely used

    labels = targets.argmax(axis=1)
    classes = np.unique(labels)
    weights = compute_class_weight("balanced", classes=classes, y=labels)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))
