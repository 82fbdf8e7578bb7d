"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

from typing import Any

import numpy as np

from pipeline.data.augmentation import Augmentation
from pipeline.models.backend import keras


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of faces and labels, in an order that depends on `seed` and the epoch alone.

    So a training that goes on at epoch 7 sees what the unbroken one would have seen. `start_epoch` is to be
    called as each epoch begins, and `fit` is to be told `shuffle=False`, else it shuffles the batches by itself.
    faces: (N, 48, 48, 1) float32; labels: (N, 7) float32, one-hot.
    """

    def __init__(
        self,
        faces: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        super().__init__()
        self.faces, self.labels = faces, labels
        self.batch_size, self.seed = batch_size, seed
        self.augmentation = augmentation
        self.start_epoch(0)

    def __len__(self) -> int:
        return -(-len(self.faces) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        faces, labels = self.faces[rows], self.labels[rows]
        if self.augmentation is None:
            return faces, labels
        return self.augmentation(faces, labels, np.random.default_rng((self.seed, self.epoch, index)))

    def start_epoch(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Shuffle for this epoch, counted from 0; has the form of a callback's `on_epoch_begin`."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.faces))


def to_tf_dataset(batches: keras.utils.PyDataset) -> Any:
    """The batches as `fit` is to be given them: on TensorFlow as a `tf.data.Dataset`.

    Keras would make one of them itself, but leave tf.data's autotuning on. With that, many an epoch begins seconds
    late, as if it waited for a sleeping thread of the epoch before, while nothing is computed (TensorFlow 2.21).
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(
        lambda: (batches[index] for index in range(len(batches))),
        output_signature=tuple(tf.TensorSpec((None, *some.shape[1:]), some.dtype) for some in batches[0]),
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return dataset.prefetch(2).with_options(options)
