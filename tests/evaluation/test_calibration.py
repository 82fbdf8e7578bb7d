"""Prior adjustment and temperature scaling, against cases whose answer is known."""

import numpy as np
import pytest

from pipeline.evaluation.calibration import Calibration, fit_calibration

PRIOR = np.array([0.8, 0.15, 0.05])


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def test_dividing_by_the_prior_is_what_an_exponent_of_one_does(rng):
    probabilities = rng.dirichlet(np.ones(3), 20)
    divided = probabilities / PRIOR
    adjusted = Calibration(1.0, 1.0, tuple(PRIOR)).apply(probabilities)
    np.testing.assert_allclose(adjusted, divided / divided.sum(axis=1, keepdims=True), rtol=1e-5)


def test_folded_into_the_last_layer_it_gives_the_same_probabilities(rng):
    features, kernel, bias = rng.normal(size=(50, 8)), rng.normal(size=(8, 3)), rng.normal(size=3)
    calibration = Calibration(0.6, 1.7, tuple(PRIOR))
    folded_kernel, folded_bias = calibration.fold(kernel, bias)
    np.testing.assert_allclose(
        softmax(features @ folded_kernel + folded_bias),
        calibration.apply(softmax(features @ kernel + bias)),
        atol=1e-6,
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_a_network_overconfident_is_found(rng, temperature):
    logits = rng.normal(scale=2, size=(20_000, 3))
    labels = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    fitted = fit_calibration(softmax(logits * temperature), labels, np.full(3, 1 / 3))
    assert fitted.temperature == pytest.approx(temperature, rel=0.05)


def test_a_biased_network_gets_an_exponent_and_a_balanced_one_none(rng):
    labels = rng.choice(3, 20_000, p=PRIOR)
    likelihoods = softmax(2 * np.eye(3)[labels] + rng.normal(size=(20_000, 3)))
    biased = likelihoods * PRIOR**2
    biased /= biased.sum(axis=1, keepdims=True)
    fitted = fit_calibration(biased, labels, PRIOR)
    recall = [(fitted.apply(biased).argmax(axis=1) == labels)[labels == label].mean() for label in range(3)]
    before = [(biased.argmax(axis=1) == labels)[labels == label].mean() for label in range(3)]
    assert fitted.exponent > 0.5 and np.mean(recall) > np.mean(before) + 0.1
    perfect = np.eye(3)[labels] * 0.9 + 0.1 / 3
    assert fit_calibration(perfect, labels, PRIOR).exponent == 0
