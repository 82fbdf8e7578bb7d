"""The requirements of step 7: networks that the next steps can use pass, and all others are refused with the reason."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.models import complexity, model_diagram, serialization
from pipeline.models.backend import keras
from pipeline.models.check_network import check_network
from pipeline.workflow.steps import ROOT

layers, ops = keras.layers, keras.ops
FACE_SHAPE = (48, 48, 1)


@keras.saving.register_keras_serializable()
class RegisteredDense(layers.Dense):
    """A custom layer that Keras could restore in this process, but not in another one."""


class UnregisteredDense(layers.Dense):
    pass


class SubclassedModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = softmax()

    def call(self, faces):
        return self.head(ops.reshape(faces, (-1, 2304)))


class FunctionalSubclass(keras.Model):
    def __init__(self):
        faces = keras.Input(FACE_SHAPE)
        super().__init__(faces, softmax()(layers.Flatten()(faces)))


def double(x):
    return 2 * x


def initialize(shape, dtype=None):
    return ops.ones(shape, dtype)


def softmax(units=7, **options):
    return layers.Dense(units, activation="softmax", **options)


def sequential(*stack, shape=FACE_SHAPE, name=None, **options):
    return keras.Sequential([keras.Input(shape, **options), *stack], name=name)


def functional(call, **options):
    """Build a network of `call`, which maps a batch of faces to features, and a softmax layer."""
    faces = keras.Input(FACE_SHAPE, **options)
    return keras.Model(faces, softmax()(layers.Flatten()(call(faces))))


def two_inputs():
    inputs = [keras.Input(FACE_SHAPE), keras.Input(FACE_SHAPE)]
    return keras.Model(inputs, softmax()(layers.Flatten()(layers.Add()(inputs))))


def outputs(wrap):
    """Build a network whose output is wrapped, such as in a dictionary."""
    faces = keras.Input(FACE_SHAPE)
    return keras.Model(faces, wrap(softmax()(layers.Flatten()(faces))))


def call_lstm(faces):
    sequence, state, _ = layers.LSTM(4, return_state=True)(layers.Reshape((48, 48))(faces))
    return layers.Concatenate()([sequence, state])


def call_attention(faces):
    x = layers.Reshape((48, 48))(faces)
    return layers.MultiHeadAttention(2, 4)(x, x, return_attention_scores=True)[0]


def call_shared(faces):
    convolution = layers.Conv2D(1, 3, padding="same")
    return convolution(convolution(faces))


def call_nested(faces):
    inner = sequential(layers.Conv2D(2, 3), layers.BatchNormalization(), name="inner")
    inner.compile("adam", "mse")
    return inner(faces)


def compiled():
    model = sequential(layers.Flatten(), softmax())
    model.compile(optimizer="sgd", loss=double, metrics=["accuracy"])
    return model


def frozen(model):
    model.trainable = False
    return model


GOOD = {
    "functional with operations": lambda: functional(lambda faces: ops.sqrt(faces * 2) + 1),
    "sequential without an input": lambda: keras.Sequential([layers.Flatten(), softmax()]),
    "softmax layer": lambda: sequential(layers.Flatten(), layers.Dense(7), layers.Softmax()),
    "augmentation layers": lambda: functional(lambda faces: layers.RandomFlip()(layers.Dropout(0.5)(faces))),
    "compiled with an own loss": compiled,
    "LSTM with state": lambda: functional(call_lstm),
    "attention with scores": lambda: functional(call_attention),
    "shared layer": lambda: functional(call_shared),
    "nested and compiled": lambda: functional(call_nested),
    "wrapped layer": lambda: functional(layers.TimeDistributed(layers.Dense(3))),
    "own name": lambda: sequential(layers.Flatten(), softmax(name="emotion.7-way"), name="My-Net_2.0"),
}

BAD = {
    "nothing": (lambda: None, "return model"),
    "a layer": (softmax, "Dense"),
    "a list": (lambda: [1], "list"),
    "subclass": (SubclassedModel, "SubclassedModel"),
    "functional subclass": (FunctionalSubclass, "FunctionalSubclass"),
    "no softmax": (lambda: sequential(layers.Flatten(), layers.Dense(7)), "sum of 1.*softmax"),
    "sigmoid": (lambda: sequential(layers.Flatten(), layers.Dense(7, activation="sigmoid")), "sum of 1"),
    "tanh": (lambda: sequential(layers.Flatten(), layers.Dense(7, activation="tanh")), "sum of 1"),
    "NaN": (
        lambda: sequential(layers.Rescaling(float("inf")), layers.Flatten(), softmax()),
        "nan",
    ),
    "softmax over the batch": (
        lambda: sequential(layers.Flatten(), layers.Dense(7), layers.Softmax(axis=0)),
        "sum of 1",
    ),
    "eight outputs": (lambda: sequential(layers.Flatten(), softmax(8)), r"\(None, 8\).*Dense\(7"),
    "one output": (lambda: sequential(layers.Flatten(), softmax(1)), r"\(None, 1\)"),
    "no Flatten": (lambda: sequential(layers.Conv2D(4, 3), softmax()), r"\(None, 46, 46, 7\).*Flatten"),
    "color faces": (
        lambda: sequential(layers.Flatten(), softmax(), shape=(48, 48, 3)),
        r"\(None, 48, 48, 3\).*Input\(face_shape\)",
    ),
    "large faces": (
        lambda: sequential(layers.Flatten(), softmax(), shape=(224, 224, 1)),
        r"\(None, 224, 224, 1\)",
    ),
    "flat faces": (lambda: sequential(softmax(), shape=(2304,)), r"\(None, 2304\)"),
    "any size": (
        lambda: sequential(layers.GlobalMaxPooling2D(), softmax(), shape=(None, None, 1)),
        r"\(None, None, None, 1\)",
    ),
    "fixed batch size": (
        lambda: sequential(layers.Flatten(), softmax(), batch_size=32),
        r"\(32, 48, 48, 1\)",
    ),
    "uint8 input": (lambda: functional(lambda faces: faces, dtype="uint8"), "uint8"),
    "float16 output": (lambda: sequential(layers.Flatten(), softmax(dtype="float16")), "float16"),
    "two inputs": (two_inputs, "2 inputs"),
    "two outputs": (lambda: outputs(lambda emotion: [emotion, emotion]), "2 outputs"),
    "dictionary": (lambda: outputs(lambda emotion: {"emotion": emotion}), "dict"),
    "Lambda": (lambda: functional(layers.Lambda(lambda faces: faces)), "Lambda.*keras.ops"),
    "Lambda in a nested network": (
        lambda: functional(sequential(layers.Lambda(double, output_shape=FACE_SHAPE), name="inner")),
        "Lambda",
    ),
    "lambda activation": (
        lambda: functional(layers.Activation(lambda x: 2 * x)),
        "lambda",
    ),
    "own activation": (lambda: functional(layers.Activation(double)), "double"),
    "own initializer": (
        lambda: functional(layers.Conv2D(2, 3, kernel_initializer=initialize)),
        "initialize",
    ),
    "unregistered layer": (lambda: functional(UnregisteredDense(3)), "UnregisteredDense"),
    "registered layer": (lambda: functional(RegisteredDense(3)), "RegisteredDense"),
    "registered layer in a wrapper": (
        lambda: functional(layers.TimeDistributed(RegisteredDense(3))),
        "RegisteredDense",
    ),
    "name with a blank": (lambda: sequential(layers.Flatten(), softmax(), name="My Net"), "network 'My Net'"),
    "layer with a blank": (lambda: sequential(layers.Flatten(), softmax(name="the end")), "layer 'the end'"),
    "name with a colon": (lambda: sequential(layers.Flatten(), softmax(), name="a:b"), "'a:b'"),
    "name beyond ASCII": (lambda: sequential(layers.Flatten(), softmax(), name="Größe"), "'Größe'"),
    "hidden file": (lambda: sequential(layers.Flatten(), softmax(), name=".."), r"'\.\.'"),
    "name in a nested network": (
        lambda: functional(sequential(layers.Conv2D(1, 3, name="a b"), name="inner")),
        "layer 'a b'",
    ),
    "centered over the batch": (
        lambda: functional(lambda faces: faces - ops.mean(faces, axis=0, keepdims=True)),
        "axis 0",
    ),
    "scaled by the batch": (lambda: functional(lambda faces: faces / ops.std(faces)), "axis 0"),
    "frozen": (lambda: frozen(sequential(layers.Flatten(), softmax())), "no trainable weights"),
}


@pytest.mark.parametrize("build", GOOD.values(), ids=GOOD)
def test_network_that_meets_the_requirements_passes(build):
    model = build()
    packed = check_network(model, FACE_SHAPE)
    faces = np.random.default_rng(1).random((3, *FACE_SHAPE), np.float32)
    restored = serialization.unpack(packed)
    np.testing.assert_allclose(restored(faces, training=False), model(faces, training=False), atol=1e-6)
    assert not restored.compiled
    rows = json.loads(json.dumps(model_diagram.layer_table(model)))
    assert rows[-1]["output"] == [7] and complexity.count_multiply_adds(model) >= 0


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(("build", "reason"), BAD.values(), ids=BAD)
def test_network_that_does_not_meet_the_requirements_is_refused(build, reason):
    with pytest.raises(ValueError, match=reason):
        check_network(build(), FACE_SHAPE)


def test_value_that_a_layer_does_not_restore_is_detected(monkeypatch):
    """As by a layer of Keras whose configuration lacks a value."""
    config = layers.Rescaling.get_config
    monkeypatch.setattr(layers.Rescaling, "get_config", lambda self: config(self) | {"scale": 1.0})
    with pytest.raises(ValueError, match="other probabilities"):
        check_network(sequential(layers.Rescaling(3.0), layers.Flatten(), softmax()), FACE_SHAPE)


@pytest.mark.slow
def test_the_users_keras_json_is_set_aside(tmp_path):
    config = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(config))
    code = (
        "from pipeline.models.backend import keras; c = keras.config;"
        "print(c.image_data_format(), c.floatx(), c.epsilon(), keras.layers.Conv2D(1, 1).data_format)"
    )
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["channels_last", "float32", "1e-07", "channels_last"]
