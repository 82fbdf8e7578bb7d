"""The same network, quicker to train: computed in half the bits, and normalized by one kernel instead of many.

Both together double the speed of a residual network on a processor that knows bfloat16.
"""

from typing import Literal

from pipeline.models.backend import keras
from pipeline.models.serialization import get_backbones

Precision = Literal["float32", "mixed_bfloat16"]


def build_fast_copy(model: keras.Model, precision: Precision) -> keras.Model:
    """A copy with the same weights in the same order that computes in `precision` and answers in float32.

    mixed_bfloat16: products in 16 bits, weights and sums in 32; gains on processors with AVX512-BF16 or AMX and on
    accelerators, where the network has convolutions of 32 filters and more.
    """
    outputs = {output._keras_history.operation.name for output in model.outputs}

    def copied(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if not isinstance(layer, keras.Layer):  # a sum written with "+" is an operation without a precision
            return type(layer).from_config(config)
        if layer.name not in outputs and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = precision
        fused = type(layer) is keras.layers.BatchNormalization and keras.backend.backend() == "tensorflow"
        return (FusedBatchNormalization if fused else type(layer)).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copied, recursive=bool(get_backbones(model)))
    copy.set_weights(model.get_weights())
    return copy


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization over the last axis by TensorFlow's one kernel for it.

    Keras itself turns the input into float32 and computes mean, variance and result one after the other, which takes
    more than half of the training of a residual network on a processor.
    """

    def call(self, inputs, training=None, mask=None):
        import tensorflow as tf

        by_batch = bool(training and self.trainable)
        outputs, mean, variance = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros(0) if by_batch else tf.convert_to_tensor(self.moving_mean),
            variance=tf.zeros(0) if by_batch else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=by_batch,
        )[:3]
        if by_batch:
            for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs
