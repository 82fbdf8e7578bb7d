"""ShuffledBatches: the order and the augmentation depend on the seed and the epoch only, and `fit` keeps them."""

import numpy as np
import pytest

from pipeline.data.augmentation import Augmentation
from pipeline.models.backend import keras
from pipeline.training.batches import ShuffledBatches, to_tf_dataset


def test_each_epoch_contains_each_face_once_in_its_own_order():
    faces = np.arange(10.0)[:, None]
    batches = ShuffledBatches(faces, faces * 2, batch_size=4, seed=0)

    def order_of(epoch: int) -> list[float]:
        batches.start_epoch(epoch)
        pairs = [batches[index] for index in range(len(batches))]
        assert all(np.array_equal(2 * x, y) for x, y in pairs)
        return np.concatenate([x for x, _ in pairs]).ravel().tolist()

    orders = [order_of(epoch) for epoch in range(3)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert order_of(1) == orders[1]


def test_augmentation_depends_on_seed_epoch_and_batch(rng):
    faces, targets = rng.random((8, 48, 48, 1), np.float32), np.eye(8, 7, dtype=np.float32)
    first, second = (
        ShuffledBatches(faces, targets, 4, seed=0, augmentation=Augmentation(rotate=20, mixup=0.5))
        for _ in range(2)
    )
    second.start_epoch(1)
    assert first[0][0].tobytes() != second[0][0].tobytes()
    second.start_epoch(0)
    for index in range(2):
        for one, other in zip(first[index], second[index], strict=True):
            assert one.tobytes() == other.tobytes()


def test_an_augmentation_without_changes_keeps_the_faces(rng):
    faces, targets = rng.random((4, 48, 48, 1), np.float32), np.eye(4, 7, dtype=np.float32)
    plain = ShuffledBatches(faces, targets, 4, seed=0)
    identity = ShuffledBatches(faces, targets, 4, seed=0, augmentation=Augmentation())
    assert identity[0][0].tobytes() == plain[0][0].tobytes()
    assert identity[0][1].tobytes() == plain[0][1].tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", [None, Augmentation(rotate=20)])
def test_the_dataset_has_the_batches_of_each_epoch(rng, augmentation):
    faces, targets = rng.random((10, 48, 48, 1), np.float32), np.eye(10, 7, dtype=np.float32)
    batches = ShuffledBatches(faces, targets, 4, seed=0, augmentation=augmentation)
    dataset = to_tf_dataset(batches)
    assert len(dataset) == 3
    for epoch in (0, 1):
        batches.start_epoch(epoch)
        for index, batch in enumerate(dataset):
            for expected, array in zip(batches[index], batch, strict=True):
                assert array.numpy().tobytes() == expected.tobytes()


@pytest.mark.slow
def test_fit_reads_the_batches_in_order():
    """Keras prefetches batches and calls hooks in an order of its own; only the order of arrival counts."""
    requested = []

    class RecordedBatches(ShuffledBatches):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            requested.append((self.order.tolist(), index))
            return batch

    batches = RecordedBatches(
        np.zeros((10, 1), np.float32), np.zeros((10, 1), np.float32), batch_size=4, seed=0
    )
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
    assert requested[-9:] == expected  # Keras reads a few batches before, to infer their shape
