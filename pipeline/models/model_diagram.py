"""Show a network as a diagram, as a table of layers, and as text."""

import re
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pipeline.figures import plots
from pipeline.figures.formats import FigureFormats
from pipeline.models.backend import keras
from pipeline.workflow.artifacts import ArtifactStore

LAYER_COLORS = {"Conv": "#56B4E9", "Pool": "#E69F00", "Dense": "#009E73", "Input": "#BBBBBB"}
OTHER_LAYER_COLOR = "#CCCCCC"
MAX_LAYERS = 40  # in the diagram; the text lists all layers
MAX_NAME_LENGTH = 12  # characters of a caption's line
MAX_FEATURE_MAPS = 5  # squares that a layer is drawn with
SUMMARY_WIDTH = 100  # characters


def format_summary(model: keras.Model) -> str:
    """Return Keras's summary of a network as text."""
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=SUMMARY_WIDTH)
    return "\n".join(lines) + "\n"


def layer_table(model: keras.Model) -> list[dict[str, Any]]:
    """List each layer with its type, details, output shape (without the batch) and number of parameters.

    A network that is a layer is listed with its name; of several outputs, such as those of an LSTM that returns its
    state, the first one is listed.
    """
    rows = [{"layer": "Input", "details": "", "output": list(model.input_shape[1:]), "parameters": 0}]
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            layer_type = layer.name if isinstance(layer, keras.Model) else type(layer).__name__
            shape = list(keras.tree.flatten(layer.output)[0].shape[1:])
            details, parameters = describe_layer(layer), layer.count_params()
            rows.append({"layer": layer_type, "details": details, "output": shape, "parameters": parameters})
    return rows


def describe_layer(layer: keras.layers.Layer) -> str:
    """Return kernel or window, stride, rate and activation of a layer, such as "5×5, relu"."""
    parts = []
    for name in ("kernel_size", "pool_size"):
        if sides := getattr(layer, name, None):
            parts.append("×".join(map(str, sides)))
            strides = tuple(getattr(layer, "strides", ()) or ())
            if any(stride != 1 for stride in strides) and strides != tuple(sides):
                parts.append(f"stride {strides[0]}")
    if isinstance(rate := getattr(layer, "rate", None), float):
        parts.append(f"rate {rate:g}")
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return ", ".join(parts if activation == "linear" else [*parts, activation])


def draw_diagram(
    model: keras.Model, name: str, store: ArtifactStore, formats: FigureFormats, show: bool
) -> None:
    """Draw the layers from left to right and save the figure as results/<name>.

    Feature maps are stacks of squares and vectors are bars, sized by the output shape. Captions give the type, kernel,
    activation, output shape and parameters. The network has been written to `store`.
    """
    rows = layer_table(model)[:MAX_LAYERS]
    figure, axes = plt.subplots(figsize=(max(8.0, 1.25 * len(rows)), 3.6))
    max_side = max((row["output"][0] for row in rows if len(row["output"]) == 3), default=1)
    max_units = max((row["output"][-1] for row in rows if len(row["output"]) != 3), default=1)
    for x, row in enumerate(rows):
        shape, color = row["output"], _layer_color(row["layer"])
        if len(shape) == 3:
            _draw_feature_maps(axes, x, shape[0] / max_side, shape[2], color)
        else:
            _draw_units(axes, x, shape[-1] / max_units, color)
        _draw_caption(axes, x, row)
        if x:
            arrow = {"arrowstyle": "-|>", "color": plots.FAINT, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (x - 0.42, 0), (x - 0.58, 0), arrowprops=arrow)

    axes.set(xlim=(-0.6, len(rows) - 0.4), ylim=(-1.75, 0.75), aspect="equal")
    axes.set_axis_off()
    axes.set_title(f"{model.name}: {model.count_params():,} parameters")
    figure.tight_layout()
    plots.save_figure(figure, name, None, formats, show, store)


def _layer_color(layer_type: str) -> str:
    colors = (color for part, color in LAYER_COLORS.items() if part in layer_type)
    return next(colors, OTHER_LAYER_COLOR)


def _draw_feature_maps(axes: Axes, x: float, relative_side: float, n_maps: int, color: str) -> None:
    """Draw the feature maps of one layer as overlapping squares."""
    n_squares = min(MAX_FEATURE_MAPS, max(1, round(n_maps**0.5)))
    side = 0.12 + 0.5 * relative_side
    for index in range(n_squares):
        offset = 0.035 * (index - (n_squares - 1) / 2)
        corner = (x - side / 2 + offset, -side / 2 - offset)
        axes.add_patch(Rectangle(corner, side, side, fc=color, ec="white", lw=1))


def _draw_units(axes: Axes, x: float, relative_units: float, color: str) -> None:
    """Draw the vector that one layer returns as a bar."""
    height = 0.15 + 1.15 * relative_units**0.5
    axes.add_patch(Rectangle((x - 0.08, -height / 2), 0.16, height, fc=color, ec="white"))


def _draw_caption(axes: Axes, x: float, row: dict[str, Any]) -> None:
    size = " × ".join(str(side) for side in row["output"])
    count = f"{row['parameters']:,} parameters" if row["parameters"] else ""
    name = (
        re.sub(r"(?<=[a-z])(?=[A-Z])", "\n", row["layer"])
        if len(row["layer"]) > MAX_NAME_LENGTH
        else row["layer"]
    )
    lines = [name, row["details"].replace(", ", "\n"), size, count.replace(" ", "\n")]
    axes.text(x, -0.72, "\n".join(filter(None, lines)), ha="center", va="top", fontsize=8, linespacing=1.4)
