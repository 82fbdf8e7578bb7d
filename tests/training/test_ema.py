"""EMA: its values, its validation, and the statistics of batch normalization that go with it."""

import numpy as np
import pytest

from pipeline.models.backend import keras
from pipeline.training.batches import ShuffledBatches
from pipeline.training.ema import EvaluateEMA, get_ema_weights, recalibrate_batch_norm

ONES, ZEROS = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)


def fit_one_weight(optimizer, callbacks) -> keras.Model:
    """Fit w·1 = 0 by the loss w²: its gradient is 2w, so a step of SGD at a rate of 0.1 leaves 0.8 w."""
    layers = [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    model = keras.Sequential(layers)
    model.compile(optimizer, loss="mse", jit_compile=False)
    model.fit(ONES, ZEROS, epochs=4, validation_data=(ONES, ZEROS), callbacks=callbacks, verbose=0)
    return model


@pytest.mark.slow
def test_ema_matches_hand_arithmetic_and_is_validated():
    recorded = []

    class Recorder(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weight, ema = self.model.get_weights()[0].item(), get_ema_weights(self.model)[0].item()
            recorded.append((weight, ema, logs["val_loss"]))

    evaluate_ema = EvaluateEMA(ShuffledBatches(ONES, ZEROS, batch_size=1, seed=0))
    fit_one_weight(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), [evaluate_ema, Recorder()])
    expected, expected_ema = 1.0, None
    for weight, ema, validation_loss in recorded:
        expected *= 0.8
        expected_ema = expected if expected_ema is None else 0.9 * expected_ema + 0.1 * expected
        assert (weight, ema) == pytest.approx((expected, expected_ema), rel=1e-5)
        assert validation_loss == pytest.approx(expected_ema**2, rel=1e-5)
    assert evaluate_ema.get_validated_weights()[0].item() == pytest.approx(expected_ema, rel=1e-5)


@pytest.mark.slow
def test_without_ema_the_weights_themselves_are_validated():
    evaluate_ema = EvaluateEMA(ShuffledBatches(ONES, ZEROS, batch_size=1, seed=0))
    model = fit_one_weight(keras.optimizers.SGD(0.1), [evaluate_ema])
    assert evaluate_ema.get_validated_weights()[0].item() == model.get_weights()[0].item()
    assert model.get_weights()[0].item() == pytest.approx(0.8**4, rel=1e-5)


def test_recalibrated_statistics_are_the_mean_over_batches(rng):
    faces, targets = rng.random((8, 3), np.float32), np.zeros((8, 7), np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(momentum=0.7)])
    batches = ShuffledBatches(faces, targets, batch_size=4, seed=0)
    recalibrate_batch_norm(model, batches)
    inputs = [batches[index][0] for index in range(2)]
    _, _, mean, variance = model.get_weights()
    np.testing.assert_allclose(mean, np.mean([batch.mean(axis=0) for batch in inputs], axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, np.mean([batch.var(axis=0) for batch in inputs], axis=0), rtol=1e-4)
    assert model.layers[0].momentum == 0.7
