"""A network as a picture and as text; every step 7 shows both."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from pipeline.figures import plots
from pipeline.models.backend import keras  # rather than `import keras`, which is not quiet

LAYER_COLORS = {"Conv": "#56B4E9", "Pool": "#E69F00", "Dense": "#009E73", "Input": "#BBBBBB"}
MAX_LAYERS = 40  # drawn; a longer network's table is in the text


def format_summary(model: keras.Model) -> str:
    """Keras's own table of layers, as text."""
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=100)
    return "\n".join(lines) + "\n"


def layer_table(model: keras.Model) -> list[dict[str, Any]]:
    """The layers with their kind, the shape of what they put out (without the batch), and their parameters.

    A network that is a layer stands there under its name.
    """
    layers = [{"layer": "Input", "output": list(model.input_shape[1:]), "parameters": 0}]
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            size = {"output": list(layer.output.shape[1:]), "parameters": layer.count_params()}
            kind = layer.name if isinstance(layer, keras.Model) else type(layer).__name__
            layers.append({"layer": kind, **size})
    return layers


def draw_diagram(model: keras.Model, name: str, source: dict[str, Any], show: bool = False) -> None:
    """Draw the layers from left to right as results/<name>, each as large as what it puts out.

    Feature maps are stacks of squares, vectors are bars; below stand shape and parameters.
    """
    layers = layer_table(model)[:MAX_LAYERS]
    figure, axes = plt.subplots(figsize=(max(8.0, 1.35 * len(layers)), 3.4))
    largest = max((layer["output"][0] for layer in layers if len(layer["output"]) == 3), default=1)
    longest = max((layer["output"][0] for layer in layers if len(layer["output"]) == 1), default=1)

    for place, layer in enumerate(layers):
        kind, shape, parameters = layer["layer"], layer["output"], layer["parameters"]
        color = next((color for word, color in LAYER_COLORS.items() if word in kind), "#CCCCCC")
        if len(shape) == 3:
            _draw_maps(axes, place, shape[0] / largest, shape[2], color)
        else:
            height = 0.15 + 1.15 * (shape[-1] / longest) ** 0.5
            axes.add_patch(Rectangle((place - 0.08, -height / 2), 0.16, height, fc=color, ec="white"))
        size = " × ".join(str(number) for number in shape)
        count = f"{parameters:,} parameters" if parameters else ""
        axes.text(
            place, -0.8, f"{kind}\n{size}\n{count}", ha="center", va="top", fontsize=7.5, linespacing=1.5
        )

    axes.set(xlim=(-0.6, len(layers) - 0.4), ylim=(-1.35, 0.75), aspect="equal")
    axes.set_axis_off()
    axes.set_title(f"{model.name}: {model.count_params():,} parameters")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    plots.save_figure(figure, name, source, show)


def _draw_maps(axes: plt.Axes, place: float, size: float, maps: int, color: str) -> None:
    """Overlapping squares for the feature maps of one layer; `size` is a map's share of the largest one."""
    shown = min(5, max(1, round(maps**0.5)))
    side = 0.12 + 0.58 * size
    for number in range(shown):
        offset = 0.05 * (number - (shown - 1) / 2)
        corner = (place - side / 2 + offset, -side / 2 - offset)
        axes.add_patch(Rectangle(corner, side, side, fc=color, ec="white", lw=1))
