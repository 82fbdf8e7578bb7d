"""Speed up training: mixed precision, and batch normalization by one fused kernel.

On a processor with bfloat16 instructions, both together double the speed of a residual network.
"""

from typing import Any, Literal

from pipeline.models.backend import keras
from pipeline.models.serialization import get_backbones

Precision = Literal["float32", "mixed_bfloat16"]


def build_fast_copy(model: keras.Model, precision: Precision) -> keras.Model:
    """Return a copy with the same weights in the same order that computes faster; its output is float32.

    Args:
        model: A functional or sequential model.
        precision: "mixed_bfloat16" multiplies in 16 bits, and keeps weights and sums in 32. It is faster on
            accelerators and on processors with AVX512-BF16 or AMX, for convolutions of at least 32 filters.
    """
    output_names = {output._keras_history.operation.name for output in model.outputs}

    def clone_layer(layer: Any) -> Any:
        config = layer.get_config()
        if not isinstance(layer, keras.Layer):  # an operation such as "+" has no precision
            return type(layer).from_config(config)
        if layer.name not in output_names and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = precision
        is_fused = type(layer) is keras.layers.BatchNormalization and keras.backend.backend() == "tensorflow"
        return (FusedBatchNormalization if is_fused else type(layer)).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone_layer, recursive=bool(get_backbones(model)))
    copy.set_weights(model.get_weights())
    return copy


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization over the last axis by TensorFlow's fused kernel.

    Keras converts the input to float32 and computes mean, variance and output one after the other, which takes more
    than half of the training time of a residual network on a processor.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        import tensorflow as tf

        use_batch_statistics = bool(training and self.trainable)
        outputs, mean, variance = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros(0) if use_batch_statistics else tf.convert_to_tensor(self.moving_mean),
            variance=tf.zeros(0) if use_batch_statistics else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=use_batch_statistics,
        )[:3]
        if use_batch_statistics:
            for moving, current in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + current * (1 - self.momentum))
        return outputs
