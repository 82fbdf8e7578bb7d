"""Correct a trained network's probabilities for the class prior and for overconfidence, without retraining it.

Both corrections are affine in the logits, so they can be folded into the weights of the last dense layer:

    logits' = (logits - exponent * log(prior)) / temperature

Prior adjustment: A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021. Temperature scaling:
C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. Both are fitted on the validation split.
"""

from dataclasses import asdict, dataclass

import numpy as np

EXPONENTS = tuple(round(0.05 * step, 2) for step in range(21))  # 0 to 1
TEMPERATURE_BOUNDS = (0.1, 10.0)
MIN_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Calibration:
    """exponent: of the prior, 0 for no adjustment; temperature: above 1 makes a network less confident."""

    exponent: float
    temperature: float
    prior: tuple[float, ...]

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The corrected probabilities (N, C) float32."""
        logits = _adjust(_to_logits(probabilities), self.exponent, np.array(self.prior))
        return _softmax(logits / self.temperature).astype(np.float32)

    def fold(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The weights (F, C) and (C,) of a last dense layer with softmax that gives the corrected probabilities."""
        adjusted = _adjust(bias.astype(np.float64), self.exponent, np.array(self.prior))
        return (kernel / self.temperature).astype(kernel.dtype), (adjusted / self.temperature).astype(
            bias.dtype
        )

    def to_dict(self) -> dict[str, float | list[float]]:
        return asdict(self) | {"prior": list(self.prior)}


def fit_calibration(probabilities: np.ndarray, labels: np.ndarray, prior: np.ndarray) -> Calibration:
    """Fit both corrections on the validation split.

    The exponent is the smallest of EXPONENTS with the highest mean of accuracy and mean recall; the temperature then
    minimizes the cross-entropy.

    Args:
        probabilities: (N, C), what the network predicts.
        labels: (N,) integers.
        prior: (C,), mean of the targets of the training split.
    """
    from scipy.optimize import minimize_scalar  # here: most trainings are not calibrated

    logits = _to_logits(probabilities)
    scores = [_selection_score(_adjust(logits, exponent, prior), labels) for exponent in EXPONENTS]
    exponent = EXPONENTS[int(np.argmax(scores))]
    adjusted = _adjust(logits, exponent, prior)

    def cross_entropy(log_temperature: float) -> float:
        predicted = _softmax(adjusted / np.exp(log_temperature))
        return float(-np.mean(np.log(np.maximum(predicted[np.arange(len(labels)), labels], MIN_PROBABILITY))))

    fit = minimize_scalar(cross_entropy, bounds=np.log(TEMPERATURE_BOUNDS), method="bounded")
    return Calibration(exponent, float(np.exp(fit.x)), tuple(float(share) for share in prior))


def _selection_score(logits: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import balanced_accuracy_score

    predicted = logits.argmax(axis=1)
    return float((np.mean(predicted == labels) + balanced_accuracy_score(labels, predicted)) / 2)


def _adjust(logits: np.ndarray, exponent: float, prior: np.ndarray) -> np.ndarray:
    return logits - exponent * np.log(np.maximum(prior, MIN_PROBABILITY))


def _to_logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), MIN_PROBABILITY))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
