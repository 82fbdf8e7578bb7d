"""Step 8: the same seed gives the same weights, a killed training goes on to them, and divergence is a sentence."""

import time

import keras
import numpy as np
import pytest

from pipeline.models import serialization
from pipeline.training.batches import ShuffledBatches, to_tf_dataset
from pipeline.training.distillation import distill_targets
from pipeline.training.ema import EvaluateEMA, get_ema_weights, recalibrate_batch_norm
from pipeline.training.fast_layers import FusedBatchNormalization, build_fast_copy
from pipeline.training.schedules import build_schedule, class_weights

EPOCHS = 6


def weights_of(project) -> list[np.ndarray]:
    return project.store().read("trained_model")["weights"]


def assert_same_bits(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def unbroken(prepared, tmp_path_factory):
    project = prepared.copy(tmp_path_factory.mktemp("unbroken") / "project")
    project.run("Compiling_model.py", "--epochs", EPOCHS)
    return project


def test_the_same_seed_gives_the_same_weights_bit_for_bit(prepared, unbroken, tmp_path):
    again = prepared.copy(tmp_path / "again")
    again.run("Compiling_model.py", "--epochs", EPOCHS)
    assert_same_bits(weights_of(again), weights_of(unbroken))

    other = prepared.copy(tmp_path / "other")
    other.run("Compiling_model.py", "--epochs", EPOCHS, "--seed", 1)
    assert weights_of(other)[0].tobytes() != weights_of(unbroken)[0].tobytes()


def test_a_killed_training_goes_on_and_ends_with_the_same_weights(prepared, unbroken, tmp_path):
    project = prepared.copy(tmp_path / "killed")
    for epochs in (2, 4):
        process = project.start("Compiling_model.py", "--epochs", EPOCHS)
        wait_for_epochs(project, epochs, process)
        process.kill()
        process.communicate()
    printed = project.run("Compiling_model.py", "--epochs", EPOCHS)
    assert "Going on after epoch" in printed

    assert_same_bits(weights_of(project), weights_of(unbroken))
    one, other = (p.store().read("history") for p in (project, unbroken))
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert one[name] == other[name]
    best, best_unbroken = (p.store().read("trained_model")["best_weights"] for p in (project, unbroken))
    assert_same_bits(best, best_unbroken)
    assert not project.store().has("checkpoint")


STRONG = (
    "--recipe",
    "strong",
    "--epochs",
    4,
    "--warmup-epochs",
    0.5,
    "--mixup",
    0.2,
    "--erase",
    8,
    "--class-weights",
)


DISTILLED = (
    *("--recipe", "distilled", "--epochs", 4, "--warmup-epochs", 0.5),
    *("--teachers", "models/LeNet-5_description.keras"),  # quicker than its own
)


@pytest.mark.parametrize(
    "flags",
    [(*STRONG, "--optimizer", "adamw"), (*STRONG, "--optimizer", "sgd", "--patience", 3), DISTILLED],
    ids=["adamw", "sgd", "distilled"],
)
def test_a_killed_training_by_another_recipe_ends_with_the_same_weights_too(prepared, tmp_path, flags):
    unbroken, killed = prepared.copy(tmp_path / "unbroken"), prepared.copy(tmp_path / "killed")
    unbroken.run("Compiling_model.py", *flags)
    process = killed.start("Compiling_model.py", *flags)
    wait_for_epochs(killed, 2, process)
    process.kill()
    process.communicate()
    assert "Going on after epoch" in killed.run("Compiling_model.py", *flags)
    assert_same_bits(weights_of(killed), weights_of(unbroken))


def test_a_killed_residual_training_with_average_and_teacher_ends_with_the_same_weights_too(
    prepared, tmp_path
):
    unbroken = prepared.copy(tmp_path / "unbroken")
    unbroken.run("Compact_model.py", "--filters", 8, 8, "--blocks", 1, 1)
    teacher = serialization.unpack(unbroken.store().read("model"))
    teacher.save(tmp_path / "teacher.keras")
    killed = unbroken.copy(tmp_path / "killed")
    flags = (
        "--recipe",
        "residual",
        "--epochs",
        4,
        "--warmup-epochs",
        1,
        "--teachers",
        tmp_path / "teacher.keras",
    )
    unbroken.run("Compiling_model.py", *flags)
    process = killed.start("Compiling_model.py", *flags)
    wait_for_epochs(killed, 2, process)
    process.kill()
    process.communicate()
    assert "Going on after epoch" in killed.run("Compiling_model.py", *flags)
    assert_same_bits(weights_of(killed), weights_of(unbroken))
    best, best_unbroken = (p.store().read("trained_model")["best_weights"] for p in (killed, unbroken))
    assert_same_bits(best, best_unbroken)


def test_a_recipe_sets_what_no_flag_does(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    printed = project.run(
        "Compiling_model.py", "--recipe", "strong", "--epochs", 1, "--warmup-epochs", 0, "--rotate", 3
    )
    assert "epochs = 1 (in the file: 120)" in printed and "batch_size" not in printed
    recorded = project.store().entry("trained_model")["settings"]
    assert (recorded["recipe"], recorded["optimizer"], recorded["rotate"], recorded["flip"]) == (
        "strong",
        "adamw",
        3,
        True,
    )


def test_patience_ends_a_training_that_gets_no_better(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    project.run("Compiling_model.py", "--epochs", 40, "--learning-rate", 1e-9, "--patience", 2)
    accuracies = project.store().read("history")["val_accuracy"]
    assert len(accuracies) < 40 and len(accuracies) - 1 - int(np.argmax(accuracies)) == 2


# --------------------------------------------------------------------------------------------------
# The running average, teachers, and the quicker copy
# --------------------------------------------------------------------------------------------------
def test_the_running_average_against_hand_arithmetic():
    """One weight w, faces of 1, labels of 0: the loss w² has the slope 2w, so that each step leaves 0.8 of it."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), loss="mse", jit_compile=False)
    ones, zeros = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((model.get_weights()[0].item(), get_ema_weights(model)[0].item(), logs["val_loss"]))

    callbacks = [EvaluateEMA(ShuffledBatches(ones, zeros, batch_size=1, seed=0)), Watch()]
    model.fit(ones, zeros, epochs=4, validation_data=(ones, zeros), callbacks=callbacks, verbose=0)
    weight, average = 1.0, None
    for step, (found, found_average, validation) in enumerate(seen):
        weight *= 0.8
        average = weight if step == 0 else 0.9 * average + 0.1 * weight
        assert (found, found_average) == pytest.approx((weight, average), rel=1e-5)
        assert validation == pytest.approx(average**2, rel=1e-5)  # it is the average that is validated
    assert callbacks[0].weights[0].item() == pytest.approx(average, rel=1e-5)  # and that counts in the end


def test_renewed_statistics_are_the_mean_over_batches(rng):
    faces, labels = rng.random((8, 3), np.float32), np.zeros((8, 7), np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(momentum=0.7)])
    batches = ShuffledBatches(faces, labels, batch_size=4, seed=0)
    recalibrate_batch_norm(model, batches)
    shown = [batches[index][0] for index in range(2)]
    _, _, mean, variance = model.get_weights()
    np.testing.assert_allclose(mean, np.mean([batch.mean(axis=0) for batch in shown], axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, np.mean([batch.var(axis=0) for batch in shown], axis=0), rtol=1e-4)
    assert model.layers[0].momentum == 0.7


def test_teachers_answers_are_mixed_into_the_labels(tmp_path, rng):
    faces = rng.random((6, 48, 48, 1), np.float32)
    labels = np.eye(7, dtype=np.float32)[rng.integers(0, 7, 6)]
    answers = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        layers = [
            keras.Input((48, 48, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(7, activation="softmax"),
        ]
        teacher = keras.Sequential(layers)
        teacher.save(tmp_path / f"{seed}.keras")
        answers += [teacher.predict(view, verbose=0) for view in (faces, faces[:, :, ::-1])]
    mixed = distill_targets((str(tmp_path / "0.keras"), str(tmp_path / "1.keras")), faces, labels, 0.6)
    np.testing.assert_allclose(mixed, 0.4 * labels + 0.6 * np.mean(answers, axis=0), atol=1e-6)
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-6)


def small_residual_network() -> keras.Model:
    from pipeline.models.residual import build_residual_network

    keras.utils.set_random_seed(0)
    return build_residual_network("small", (16, 16, 1), filters=(4, 6), blocks=(1, 1), dropout=0.0)


def test_the_quick_copy_learns_as_the_network_itself(rng):
    """Keras's own batch normalization is the slow, obvious one here."""
    slow = small_residual_network()
    quick = build_fast_copy(slow, "float32")
    assert any(isinstance(layer, FusedBatchNormalization) for layer in quick.layers)
    assert_same_bits(quick.get_weights(), slow.get_weights())
    faces, labels = (
        rng.random((64, 16, 16, 1), np.float32),
        np.eye(7, dtype=np.float32)[rng.integers(0, 7, 64)],
    )
    for model in (slow, quick):
        model.compile(keras.optimizers.SGD(0.05), loss="categorical_crossentropy", jit_compile=False)
        model.fit(faces, labels, batch_size=32, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(quick.predict(faces, verbose=0), slow.predict(faces, verbose=0), atol=2e-3)
    for ours, keras_own in zip(quick.get_weights(), slow.get_weights(), strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=2e-3)


def test_half_the_bits_answer_nearly_alike_in_float32(rng):
    model = small_residual_network()
    half = build_fast_copy(model, "mixed_bfloat16")
    assert {layer.compute_dtype for layer in half.layers if layer.weights} == {"bfloat16", "float32"}
    faces = rng.random((8, 16, 16, 1), np.float32)
    answers = half(faces, training=False).numpy()
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, model(faces, training=False).numpy(), atol=0.02)
    assert all(weight.dtype == np.float32 for weight in half.get_weights())


def test_learning_rate_rises_straight_and_falls_as_a_cosine():
    rate = build_schedule(0.1, "cosine", warmup_epochs=2, epochs=10, steps_per_epoch=5)
    expected = [0.1 * step / 10 for step in range(10)]
    expected += [0.1 * (1 + np.cos(np.pi * step / 40)) / 2 for step in range(41)]
    np.testing.assert_allclose([float(rate(step)) for step in range(51)], expected, atol=1e-6)
    assert build_schedule(0.1, "constant", 2, 10, 5) == 0.1


def test_class_weights_are_scikit_learns(rng):
    from sklearn.utils.class_weight import compute_class_weight

    labels = rng.integers(0, 7, 500)
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    told = class_weights(np.eye(7, dtype=np.float32)[labels])
    np.testing.assert_allclose([told[label] for label in range(7)], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--zoom", 1), "zoom is 1.0, but must be below 1"),
        (("--weight-decay", 0.1), "weight_decay is for the optimizers adamw and sgd"),
        (("--rotate", -1), "rotate is -1.0, but must not be below 0"),
        (("--erase", 49), "erase is 49, but a face has only 48"),
        (("--recipe", "strong", "--epochs", 1), "warmup_epochs is 1, but there are only 1 epochs"),
    ],
)
def test_values_that_make_no_sense_are_a_sentence(project, flags, sentence):
    assert sentence in project.run("Compiling_model.py", *flags, status=1)


def wait_for_epochs(project, epochs: int, process) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        store = project.store()
        if store.has("checkpoint") and len(store.read("checkpoint")["history"]["loss"]) >= epochs:
            return
        time.sleep(0.01)
    pytest.fail(f"no checkpoint of {epochs} epochs: {process.communicate()[0]}")


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    process = project.start("Compiling_model.py", "--epochs", 50)
    wait_for_epochs(project, 1, process)
    process.kill()
    process.communicate()
    printed = project.run("Compiling_model.py", "--epochs", 1, "--learning-rate", 0.01)
    assert "is of another network, data or settings; training starts anew" in printed
    assert len(project.store().read("history")["loss"]) == 1


def test_a_loss_that_is_not_finite_stops_with_a_sentence_and_keeps_what_was(unbroken, tmp_path):
    project = unbroken.copy(tmp_path / "project")
    printed = project.run("Compiling_model.py", "--epochs", 3, "--learning-rate", 1e30, status=1)
    assert "the training has diverged. Try a lower learning_rate" in printed and "Traceback" not in printed
    assert_same_bits(weights_of(project), weights_of(unbroken))


@pytest.mark.parametrize("setting", ["epochs", "batch-size", "learning-rate"])
def test_settings_out_of_range_are_a_sentence(project, setting):
    printed = project.run("Compiling_model.py", f"--{setting}", 0, status=1)
    assert f"{setting.replace('-', '_')} is 0" in printed and "must be above 0" in printed


def test_keep_decides_whose_weights_count(unbroken, prepared, tmp_path):
    project = prepared.copy(tmp_path / "best")
    project.run("Compiling_model.py", "--epochs", EPOCHS, "--keep", "best")
    trained = project.store().read("trained_model")
    assert_same_bits(trained["weights"], trained["best_weights"])
    assert_same_bits(trained["last_weights"], weights_of(unbroken))


def test_an_epoch_shows_each_face_once_in_an_order_of_its_own():
    faces, labels = np.arange(10.0)[:, None], np.arange(10.0)[:, None] * 2
    batches = ShuffledBatches(faces, labels, batch_size=4, seed=0)

    def order_of(epoch: int) -> list[float]:
        batches.start_epoch(epoch)
        shown = [batches[index] for index in range(len(batches))]
        assert all(np.array_equal(2 * x, y) for x, y in shown)
        return np.concatenate([x for x, _ in shown]).ravel().tolist()

    orders = [order_of(epoch) for epoch in range(3)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert order_of(1) == orders[1]


def test_fit_sees_the_order_that_was_meant():
    """Keras reads ahead and calls hooks in an order of its own; here is what arrives in each epoch."""
    seen = []

    class Watched(ShuffledBatches):
        def __getitem__(self, index):
            faces, labels = super().__getitem__(index)
            seen.append((self.order.tolist(), index))
            return faces, labels

    batches = Watched(np.zeros((10, 1), np.float32), np.zeros((10, 1), np.float32), batch_size=4, seed=0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse", jit_compile=False)
    callback = keras.callbacks.LambdaCallback(on_epoch_begin=batches.start_epoch)
    model.fit(
        to_tf_dataset(batches), shuffle=False, initial_epoch=2, epochs=5, callbacks=[callback], verbose=0
    )
    expected = []
    for epoch in (2, 3, 4):
        batches.start_epoch(epoch)
        expected += [(batches.order.tolist(), index) for index in range(3)]
    assert seen[-9:] == expected  # before them, one or a few batches are looked at to learn their shape
