"""Feed training faces to `fit` in shuffled batches whose order and augmentation are reproducible."""

from typing import Any

import numpy as np

from pipeline.data.augmentation import Augmentation
from pipeline.models.backend import keras


class ShuffledBatches(keras.utils.PyDataset):
    """Batches whose order and augmentation depend only on the seed and the epoch, so that training can resume.

    Call `start_epoch` at the beginning of each epoch, and pass `shuffle=False` to `fit`, which otherwise shuffles
    the batches again.

    Args:
        faces: (N, 48, 48, 1) float32 in [0, 1].
        targets: (N, K) float32 class distributions, such as one-hot labels.
        batch_size: Faces per batch; the last batch may be smaller.
        seed: Seed of the order and of the augmentation.
        augmentation: Applied to each batch; None leaves the faces unchanged.
    """

    def __init__(
        self,
        faces: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        super().__init__()
        self.faces, self.targets = faces, targets
        self.batch_size, self.seed = batch_size, seed
        self.augmentation = augmentation
        self.start_epoch(0)

    @classmethod
    def from_settings(cls, faces: np.ndarray, targets: np.ndarray, settings: Any) -> "ShuffledBatches":
        """Return the batches of a training; reads batch size, seed and augmentation of the settings of step 8."""
        augmentation = Augmentation.from_settings(settings)
        return cls(faces, targets, settings.batch_size, settings.seed, augmentation)

    def __len__(self) -> int:
        return -(-len(self.faces) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        faces, targets = self.faces[rows], self.targets[rows]
        if self.augmentation is None:
            return faces, targets
        return self.augmentation(faces, targets, np.random.default_rng((self.seed, self.epoch, index)))

    def start_epoch(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Shuffle the faces for an epoch, counted from 0; usable as the callback `on_epoch_begin`."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.faces))

    def replicated_faces(self, index: int) -> Any:
        """Return the faces of a complete batch, on every device, for calling the model outside of `fit`."""
        return self[index][0]


def to_tf_dataset(batches: keras.utils.PyDataset) -> Any:
    """Convert the batches to a `tf.data.Dataset` on TensorFlow; return them unchanged on other backends.

    Keras converts them too, but with tf.data's autotuning, which delays the start of many epochs by several idle
    seconds (TensorFlow 2.21).
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    is_plain = type(batches) is ShuffledBatches and batches.augmentation is None
    dataset = _gather_in_tensorflow(batches) if is_plain else _call_python(batches)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return dataset.prefetch(2).with_options(options)


def _call_python(batches: keras.utils.PyDataset) -> Any:
    """Return a dataset that gets each batch from Python."""
    import tensorflow as tf

    return tf.data.Dataset.from_generator(
        lambda: (batches[index] for index in range(len(batches))),
        output_signature=tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batches[0]),
    )


def _gather_in_tensorflow(batches: ShuffledBatches) -> Any:
    """Return a dataset of the same batches that calls Python once per epoch, for the order.

    A call per batch takes a tenth of LeNet-5's training time, because the training waits for Python as well.
    """
    import tensorflow as tf

    order = tf.data.Dataset.from_generator(
        lambda: iter([batches.order]), output_signature=tf.TensorSpec((None,), tf.int64)
    )
    rows = order.unbatch().batch(batches.batch_size)
    arrays = tf.data.Dataset.from_tensors((batches.faces, batches.targets)).repeat()
    return tf.data.Dataset.zip(arrays, rows).map(
        lambda arrays, row: tuple(tf.gather(array, row) for array in arrays)
    )
