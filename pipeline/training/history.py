"""Summarize the history of a training, for the screen and for the run log."""

from datetime import datetime
from typing import Any

import numpy as np

from pipeline.data.fer2013 import Emotions
from pipeline.evaluation.predict import predict_proba
from pipeline.models.backend import keras
from pipeline.workflow.formatting import format_count

MIN_LOSS = 0.01  # of validation accuracy since the best epoch that is worth a warning; less may be chance


def format_summary(history: dict[str, list[float]], best_epoch: int, keep: str) -> str:
    """Return the accuracies of the last and of the best epoch as text, with a warning if validation fell after it.

    Args:
        history: {metric: value of each epoch}.
        best_epoch: Epoch, counted from 0, with the highest validation accuracy.
        keep: Whose weights are the trained model's, "last" or "best".
    """
    n_epochs = len(history["loss"])
    lines = [f"  Trained for {format_count(n_epochs, 'epoch')} in {sum(history['seconds']):.0f} s."]
    for label, epoch in (("last", n_epochs - 1), ("best validation", best_epoch)):
        train, validation = history["accuracy"][epoch], history["val_accuracy"][epoch]
        lines.append(
            f"  {label + ':':<17}epoch {epoch + 1:>3}, train {train:.2%}, validation {validation:.2%}"
        )
    loss = history["val_accuracy"][best_epoch] - history["val_accuracy"][-1]
    if loss >= MIN_LOSS:
        lines.append(
            f"  Validation accuracy fell by {100 * loss:.1f} points after epoch {best_epoch + 1}: the network overfits."
        )
        if keep == "last":
            lines.append(f"  --keep best would save the weights of epoch {best_epoch + 1}.")
    return "\n".join([*lines, f"  Saved the weights of the {keep} epoch as data/trained_model."])


def describe_constant_prediction(model: keras.Model, faces: np.ndarray, emotions: Emotions) -> str:
    """Return a line that says so if a network predicts the same emotion for all faces; otherwise "".

    Args:
        model: The trained network.
        faces: Validation faces (N, 48, 48, 1) float32 in [0, 1].
        emotions: The names of the network's outputs.
    """
    predicted = predict_proba(model, faces).argmax(axis=1)
    if len(predicted) < 2 or np.any(predicted != predicted[0]):
        return ""
    return (
        f"  The network predicts {emotions[predicted[0]]} for all {len(faces):,} validation faces: it has learned "
        "nothing. Try a lower learning_rate or more epochs.\n"
    )


def build_run_record(
    model: keras.Model, history: dict[str, list[float]], settings: Any, source: dict[str, Any]
) -> dict[str, Any]:
    """Return the row of results/runs.csv that describes a training: network, recipe, duration and accuracies.

    Args:
        model: The network.
        history: {metric: value of each epoch}.
        settings: Settings of step 8; reads recipe and seed.
        source: Step 2's artifact of that name, the caption of the data.
    """
    return {
        "date": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
        "data": source["label"],
        "network": model.name,
        "recipe": settings.recipe,
        "parameters": model.count_params(),
        "seed": settings.seed,
        "epochs": len(history["loss"]),
        "seconds": round(sum(history["seconds"]), 1),
        "train_accuracy": f"{history['accuracy'][-1]:.4f}",
        "validation_accuracy": f"{history['val_accuracy'][-1]:.4f}",
    }
