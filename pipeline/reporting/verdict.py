"""Say in words what the numbers of a run mean, and what to try next. Each sentence is derived from numbers."""

from typing import Any

import numpy as np

from pipeline.evaluation.metrics import Predictions, accuracy_interval, confusion_counts
from pipeline.workflow.formatting import format_command

MIN_LOSS_RISE = 0.05  # relative to the lowest validation loss; a smaller rise is no overfitting
MAX_CALIBRATION_ERROR = 0.05  # ECE of a network that is called calibrated
LATE_SHARE = 0.1  # of the epochs: an improvement in the last ones means that training was too short
MAX_SUGGESTIONS = 3

History = dict[str, list[float]]  # metric: value of each epoch
Finding = dict[str, Any]  # "topic", "text", and "is_fine": False for what can be improved


def build_verdict(
    metrics: dict[str, Any], history: History, predictions: Predictions, arguments: list[str]
) -> dict[str, Any]:
    """Return the findings about a run, and suggestions with their commands.

    Args:
        metrics: results/metrics.json.
        history: Of the training.
        predictions: On the test split.
        arguments: Flags of step 8, to which a suggestion adds its own.
    """
    fit = judge_fit(history, metrics["training"]["keep"])
    calibration = judge_calibration(predictions, metrics["splits"]["test"]["expected_calibration_error"])
    weakest = judge_weakest(predictions)
    findings = [judge_accuracy(predictions), fit, calibration, weakest]
    return {"findings": findings, "suggestions": suggest(findings, metrics, history, arguments)}


def judge_accuracy(predictions: Predictions) -> Finding:
    """Compare the accuracy with that of always predicting the most frequent emotion."""
    n, n_correct = len(predictions), int(predictions.correct.sum())
    counts = np.bincount(predictions.labels, minlength=len(predictions.emotions))
    most_frequent, majority = predictions.emotions[counts.argmax()], counts.max() / n
    low, high = accuracy_interval(n_correct, n)
    is_fine = low > majority
    relation = "more than" if is_fine else "not clearly more than"
    text = (
        f"right on {n_correct / n:.1%} of {n:,} test faces ({low:.1%} to {high:.1%}), {relation} the "
        f"{majority:.1%} that always predicting {most_frequent} would reach."
    )
    return {"topic": "Accuracy", "text": text, "is_fine": is_fine}


def judge_fit(history: History, keep: str) -> Finding:
    """Say whether and from which epoch the network overfits, or whether the training was too short."""
    loss, val_loss, val_accuracy = (np.array(history[name]) for name in ("loss", "val_loss", "val_accuracy"))
    n, lowest = len(loss), int(np.argmin(val_loss))
    rise = val_loss[-1] / max(val_loss[lowest], 1e-12) - 1
    if lowest + 1 < n and rise > MIN_LOSS_RISE and loss[-1] < loss[lowest]:
        kept = int(np.argmax(val_accuracy)) + 1 if keep == "best" else n
        text = (
            f"overfits from epoch {lowest + 2}: after epoch {lowest + 1} the validation loss rose by {rise:.0%} "
            f"({val_loss[lowest]:.2f} to {val_loss[-1]:.2f}) while the training loss fell from {loss[lowest]:.2f} to "
            f"{loss[-1]:.2f}. The saved weights are those of epoch {kept}."
        )
        return {"topic": "Fit", "text": text, "is_fine": False, "overfits": True}
    best = int(np.argmax(val_accuracy)) + 1
    if best > n - max(1, round(LATE_SHARE * n)):
        text = f"still improving: validation accuracy was best, {val_accuracy[best - 1]:.1%}, in epoch {best} of {n}."
        return {"topic": "Fit", "text": text, "is_fine": False, "is_short": True}
    text = f"no overfitting: validation accuracy leveled off at {val_accuracy[best - 1]:.1%} in epoch {best} of {n}."
    return {"topic": "Fit", "text": text, "is_fine": True}


def judge_calibration(predictions: Predictions, error: float) -> Finding:
    """Compare mean confidence with accuracy."""
    confidence, accuracy = float(predictions.confidence.mean()), float(predictions.correct.mean())
    is_fine = error < MAX_CALIBRATION_ERROR
    state = "calibrated" if is_fine else "overconfident" if confidence > accuracy else "underconfident"
    if (
        not is_fine and abs(confidence - accuracy) < error / 2
    ):  # over- in some bins and underconfident in others
        state = "not calibrated"
    text = f"{state}: mean confidence {confidence:.1%}, accuracy {accuracy:.1%}, calibration error (ECE) {error:.3f}."
    return {"topic": "Confidence", "text": text, "is_fine": is_fine}


def judge_weakest(predictions: Predictions) -> Finding:
    """Name the emotion with the lowest recall, and the one that it is taken for."""
    counts, emotions = confusion_counts(predictions), predictions.emotions
    support = counts.sum(axis=1)
    recall = counts.diagonal() / np.maximum(support, 1)
    weakest = int(np.where(support > 0, recall, np.inf).argmin())
    low, high = accuracy_interval(int(counts[weakest, weakest]), int(support[weakest]))
    errors = counts[weakest].copy()
    errors[weakest] = 0
    text = (
        f"{emotions[weakest]} has the lowest recall: {recall[weakest]:.0%} of {support[weakest]:,} faces "
        f"({low:.0%} to {high:.0%})"
    )
    if errors.any():
        text += f"; {errors.max() / support[weakest]:.0%} are taken for {emotions[errors.argmax()]}"
    is_fine = bool(recall[weakest] > recall[support > 0].mean() / 2)
    return {"topic": "Weakest emotion", "text": f"{text}.", "is_fine": is_fine}


def suggest(
    findings: list[Finding], metrics: dict[str, Any], history: History, arguments: list[str]
) -> list[dict[str, str]]:
    """Return what to try next, the most promising first, each with its reason and its command."""
    _, fit, calibration, weakest = findings
    training = metrics["settings"]["training"]
    is_augmented = any(training.get(name) for name in ("flip", "rotate", "translate", "zoom"))
    is_lenet = metrics["network"]["name"] == "LeNet-5"
    n_epochs = str(2 * len(history["loss"]))
    recipe = "augmented" if is_lenet else "residual"
    ideas = []
    if fit.get("overfits") and not is_augmented:
        ideas.append(
            ("Augment the training faces, because the network overfits", _train([], "--recipe", recipe))
        )
    if fit.get("overfits") and training.get("keep") == "last":
        ideas.append(
            (
                "Keep the weights of the best epoch, because the network overfits",
                _train(arguments, "--keep", "best"),
            )
        )
    if fit.get("is_short"):
        ideas.append(
            ("Train longer, because it was still improving", _train(arguments, "--epochs", n_epochs))
        )
    if not calibration["is_fine"] and not training.get("calibrate"):
        ideas.append(("Calibrate, so that confidence equals accuracy", _train(arguments, "--calibrate")))
    if not weakest["is_fine"] and not training.get("class_weights"):
        ideas.append(("Give rare emotions more weight", _train(arguments, "--class-weights")))
    if is_lenet:
        ideas.append(("Try a residual network", "python3 run.py --from 7 --model Compact_model.py"))
    return [{"reason": reason, "command": command} for reason, command in ideas[:MAX_SUGGESTIONS]]


def _train(arguments: list[str], flag: str, *values: str) -> str:
    """Return the command of step 8 with its flags and another one, which replaces the same flag."""
    kept = list(arguments)
    if flag in kept:
        start = kept.index(flag)
        del kept[start : start + 1 + len(values)]
    return format_command("Compiling_model.py", [*kept, flag, *values])
