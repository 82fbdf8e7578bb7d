"""Format the metrics of the splits for the screen: a table in percent, and remarks on what they mean."""

from typing import Any

Splits = dict[str, dict[str, Any]]  # split: its metrics, as `evaluate` returns them

MAX_CALIBRATION_ERROR = 0.08  # above that, confidences should not be read as probabilities


def format_table(splits: Splits) -> str:
    """Format metrics as a table with a row per split, at most 98 characters wide; all but the loss are in percent."""
    heading = f"  {'in percent':<11}{'faces':>7}{'accuracy':>10}{'95% interval':>16}"
    heading += f"{'mean recall':>13}{'macro-F1':>10}{'top-2':>7}{'ECE':>6}{'loss':>8}"
    return "\n".join([heading, *(_format_row(split, metrics) for split, metrics in splits.items())])


def _format_row(split: str, metrics: dict[str, Any]) -> str:
    low, high = metrics["accuracy_ci95"]
    interval = f"{100 * low:.2f} to {100 * high:.2f}"
    row = f"  {split:<11}{metrics['faces']:>7,}{100 * metrics['accuracy']:>10.2f}{interval:>16}"
    row += f"{100 * metrics['mean_recall']:>13.1f}{100 * metrics['macro_f1']:>10.1f}"
    row += f"{100 * metrics['top_2_accuracy']:>7.1f}{100 * metrics['expected_calibration_error']:>6.1f}"
    return row + f"{metrics['loss']:>8.3f}"


def format_emotions(report: dict[str, Any]) -> str:
    """Format scikit-learn's classification_report as a table with a row per emotion; metrics are in percent."""
    rows = {name: row for name, row in report.items() if name not in ("accuracy", "weighted avg")}
    rows["mean"] = rows.pop("macro avg")
    width = max(len("in percent"), *map(len, rows)) + 1
    lines = [f"  {'in percent':<{width}}{'precision':>11}{'recall':>9}{'F1':>7}{'faces':>8}"]
    for name, row in rows.items():
        line = f"  {name:<{width}}{100 * row['precision']:>11.1f}{100 * row['recall']:>9.1f}"
        lines.append(f"{line}{100 * row['f1-score']:>7.1f}{row['support']:>8,.0f}")
    return "\n".join(lines)


def remark_on_calibration(metrics: dict[str, Any]) -> str:
    """Return a sentence if the confidences of a split, on average, are far from the accuracy; else ""."""
    error = metrics["expected_calibration_error"]
    if error <= MAX_CALIBRATION_ERROR:
        return ""
    direction = "too high" if metrics["mean_confidence"] > metrics["accuracy"] else "too low"
    return (
        f"Poorly calibrated: the confidences are {direction}, by {100 * error:.0f} points on average (ECE).\n"
        "  To correct them, train with: python3 Compiling_model.py --calibrate"
    )
