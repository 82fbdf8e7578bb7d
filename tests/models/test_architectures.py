"""The networks of step 7: sizes, operations, diagrams, and settings that do not match."""

import json

import numpy as np
import pytest

import Compact_model
import Strong_model
from pipeline.models import model_diagram, model_zoo
from pipeline.models.backend import keras
from pipeline.models.complexity import count_multiply_adds
from pipeline.models.residual import build_residual_network

FACE_SHAPE = (48, 48, 1)


@pytest.mark.parametrize("script", [Compact_model, Strong_model], ids=lambda script: script.__name__)
def test_shipped_model_has_the_size_of_its_script(script):
    model = script.build(script.Settings(), FACE_SHAPE)
    network = model_zoo.read_model_card(model_zoo.MODELS_DIR / f"{model.name}.keras")["network"]
    assert (model.count_params(), count_multiply_adds(model)) == (
        network["parameters"],
        network["multiply_adds"],
    )


def test_multiply_adds_follow_their_definition():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, padding="same"),  # 8 x 8 positions, 3 x 3 x 2 x 4 weights
            layers.DepthwiseConv2D(3, padding="same"),  # 8 x 8 x 4 outputs, 3 x 3 weights each
            layers.Flatten(),
            layers.Dense(7),  # 256 x 7 weights
        ]
    )
    assert count_multiply_adds(model) == 64 * 72 + 256 * 9 + 256 * 7


@pytest.mark.parametrize(("filters", "blocks"), [((8, 16), (1,)), ((), ())])
def test_stages_that_do_not_match_are_refused(filters, blocks):
    with pytest.raises(ValueError, match=f"{len(filters)} stages .*{len(blocks)}"):
        build_residual_network("Wrong", FACE_SHAPE, filters, blocks, 0.1)


def test_layer_table_lists_every_layer_with_shape_and_parameters():
    inner = keras.Sequential([keras.Input(FACE_SHAPE), keras.layers.Conv2D(2, 3)], name="inner")
    model = keras.Sequential(
        [keras.Input(FACE_SHAPE), inner, keras.layers.Flatten(), keras.layers.Dense(7)], name="outer"
    )
    rows = model_diagram.layer_table(model)
    assert [row["layer"] for row in rows] == ["Input", "inner", "Flatten", "Dense"]
    assert [row["output"] for row in rows] == [[48, 48, 1], [46, 46, 2], [4232], [7]]
    assert [row["details"] for row in rows] == ["", "", "", ""]
    assert sum(row["parameters"] for row in rows) == model.count_params()
    assert json.loads(json.dumps(rows)) == rows
    assert "outer" in model_diagram.format_summary(model)


@pytest.mark.parametrize(
    ("layer", "details"),
    [
        (keras.layers.Conv2D(2, 5, activation="relu"), "5×5, relu"),
        (keras.layers.Conv2D(2, (3, 1), strides=2), "3×1, stride 2"),
        (keras.layers.MaxPooling2D(2), "2×2"),
        (keras.layers.AveragePooling2D(3, strides=1), "3×3"),
        (keras.layers.Dense(7, activation="softmax"), "softmax"),
        (keras.layers.Dropout(0.3), "rate 0.3"),
        (keras.layers.Flatten(), ""),
    ],
)
def test_a_layer_is_described_by_its_kernel_stride_rate_and_activation(layer, details):
    assert model_diagram.describe_layer(layer) == details


def test_networks_are_deterministic_for_a_seed():
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        weights.append(Compact_model.build(Compact_model.Settings(), FACE_SHAPE).get_weights())
    assert all(np.array_equal(first, second) for first, second in zip(*weights, strict=True))
