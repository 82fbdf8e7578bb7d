"""Show what the trained network has learned. Not one of the thirteen steps.

Three figures: the filters of the first convolution; the feature maps of one face, layer by layer; and an embedding of
test faces, which places faces close to each other that look alike to the network (t-SNE of what its last layer decides
from). In the report, the embedding shows the face under the pointer.

Reads:  data/trained_model, test_x, ground_truth, emotions, source
Writes: results/filters.png, feature_maps.png, embedding.png; data/embedding (for the report)
Run:    python3 Visualize_Features.py
        python3 Visualize_Features.py --face 12 --faces 600
Expect: twenty seconds. Distances within a cluster mean something, those between clusters and their sizes do not.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pipeline.workflow.cli import run_tool

import matplotlib.pyplot as plt
import numpy as np
from annotated_types import Ge, Le
from matplotlib.figure import Figure

from pipeline.data.fer2013 import Emotions
from pipeline.evaluation.embedding import compute_features, project_to_plane
from pipeline.evaluation.feature_maps import (
    LayerOutputs,
    collect_layer_outputs,
    find_first_filters,
    select_layers,
)
from pipeline.evaluation.predict import predict_proba
from pipeline.figures import plots
from pipeline.figures.formats import FigureFormats
from pipeline.figures.palette import get_colors
from pipeline.models.serialization import unpack
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import NonNegativeInt, Seed

MAX_FILTERS = 64  # in the figure, and their columns
FILTER_COLUMNS = 16
MAX_LAYERS, MAX_MAPS = 8, 12  # in the figure of the feature maps


@dataclass
class Settings:
    face: NonNegativeInt = 0  # number of the test face whose feature maps are shown, from 0

    faces: Annotated[int, Ge(20), Le(5000)] = 1500  # test faces in the embedding, at most
    perplexity: Annotated[float, Ge(2), Le(200)] = 30.0  # of t-SNE: neighbors of a face that count
    seed: Seed = 0  # of the choice of faces and of t-SNE

    figures: FigureFormats = ("png",)  # formats of the figures: png svg pdf; the report shows png
    show: bool = False  # True: open the figures where there is a display


def main(settings: Settings, store: ArtifactStore) -> None:
    model, faces = unpack(store.read("trained_model")), store.read("test_x")
    labels, emotions = store.read("ground_truth")["test"]["label"], store.read("emotions")
    source = store.read("source", track=False)
    if settings.face >= len(faces):
        raise ValueError(
            f"face is {settings.face}, but must be less than {len(faces):,}, the number of test faces."
        )
    outputs = collect_layer_outputs(model, faces[[settings.face]])
    figures = {"feature_maps": plot_feature_maps(outputs, faces[settings.face], emotions)}
    filters = find_first_filters(outputs)
    if filters is None:
        print(f"  {model.name} has no convolution, and so no filters to show")
    else:
        figures["filters"] = plot_filters(filters)
    rows = choose_rows(len(faces), settings.faces, settings.seed)
    probabilities = predict_proba(model, faces[rows])
    features = compute_features(model, faces[rows])
    embedding = {
        "network": model.name,
        "emotions": emotions,
        "rows": rows,
        "labels": labels[rows],
        "predicted": probabilities.argmax(axis=1),
        "confidence": probabilities.max(axis=1),
        "positions": project_to_plane(features, settings.perplexity, settings.seed),
        "test_faces": len(faces),
    }
    store.write(embedding=embedding)
    figures["embedding"] = plot_embedding(embedding)
    for name, figure in figures.items():
        plots.save_figure(figure, name, source, settings.figures, settings.show, store)
    print(f"  embedding of {len(rows):,} of {len(faces):,} test faces")
    print("  To see it in the report, with the face under the pointer: python3 run.py --report")


def choose_rows(n_faces: int, n_chosen: int, seed: int) -> np.ndarray:
    """Return the sorted rows of at most n_chosen random faces."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_faces, min(n_faces, n_chosen), replace=False))


def plot_filters(filters: np.ndarray) -> Figure:
    """Plot filters (height, width, N), each with its highest absolute weight as the end of the color scale."""
    shown = filters[..., :MAX_FILTERS]
    n_columns = min(FILTER_COLUMNS, shown.shape[-1])
    n_rows = -(-shown.shape[-1] // n_columns)
    figure, grid = plt.subplots(
        n_rows,
        n_columns,
        figsize=(max(6, n_columns * 0.95), n_rows * 0.95 + 1.1),
        squeeze=False,
        layout="constrained",
    )
    limit = float(np.abs(shown).max()) or 1.0
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, kernel in zip(grid.flat, np.moveaxis(shown, -1, 0), strict=False):
        image = axes.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    bar = figure.colorbar(image, ax=grid, shrink=0.9, ticks=(-limit, 0, limit))
    bar.ax.set_yticklabels([f"{-limit:.2g}", "0", f"{limit:.2g}"])
    height, width, n_filters = filters.shape
    which = f"The {n_filters}" if n_filters == shown.shape[-1] else f"The first {MAX_FILTERS} of {n_filters}"
    figure.suptitle(f"{which} filters of the first convolution, {height}×{width}", fontsize=11)
    figure.get_layout_engine().set(rect=(0.01, 0.08, 0.98, 0.9))
    return figure


def plot_feature_maps(outputs: LayerOutputs, face: np.ndarray, emotions: Emotions) -> Figure:
    """Plot a face and what each of the selected layers computes from it: maps as images, vectors as strips."""
    layers = select_layers(outputs, MAX_LAYERS)
    heights = [1.3, *(1.0 if values.ndim == 4 else 0.45 for _, values in layers)]
    figure = plt.figure(figsize=(11, 0.95 * sum(heights) + 0.9), layout="constrained")
    grid = figure.add_gridspec(len(heights), MAX_MAPS + 2, height_ratios=heights)
    plots.draw_face(figure.add_subplot(grid[0, 2:4]), face)
    for number, (layer, values) in enumerate(layers, start=1):
        caption = figure.add_subplot(grid[number, :2])
        caption.set_axis_off()
        shape = "×".join(map(str, values.shape[1:]))
        caption.text(1, 0.5, f"{layer.name}\n{shape}", ha="right", va="center", fontsize=8.5)
        if values.ndim != 4:
            strip = figure.add_subplot(grid[number, 2:])
            strip.imshow(values.reshape(1, -1), cmap="viridis", aspect="auto")
            strip.set(xticks=(), yticks=())
            strip.spines[:].set_visible(False)
            if layer is layers[-1][0] and values.size == len(emotions):
                strip.set_xticks(range(len(emotions)), emotions, fontsize=8.5)
            continue
        maps = np.moveaxis(values[0], -1, 0)
        varied = np.sort(maps.std(axis=(1, 2)).argsort(kind="stable")[::-1][:MAX_MAPS])
        for column, channel in enumerate(varied):
            axes = figure.add_subplot(grid[number, 2 + column])
            axes.imshow(maps[channel], cmap="viridis")
            axes.set_axis_off()
    figure.suptitle(
        f"What the layers compute from one face (of each layer the {MAX_MAPS} most varied maps)", fontsize=11
    )
    figure.get_layout_engine().set(rect=(0.01, 0.05, 0.98, 0.94))
    return figure


def plot_embedding(embedding: dict[str, Any]) -> Figure:
    """Plot faces at their positions in the color of their label; rings are predicted wrongly."""
    labels, correct = embedding["labels"], embedding["labels"] == embedding["predicted"]
    figure, axes = plt.subplots(figsize=(9, 6.6), layout="constrained")
    for label, (name, color) in enumerate(get_colors(embedding["emotions"]).items()):
        for is_correct, fill in ((True, color), (False, "none")):
            x, y = embedding["positions"][(labels == label) & (correct == is_correct)].T
            axes.scatter(
                x, y, s=14, facecolors=fill, edgecolors=color, linewidths=0.9, alpha=0.85,
                label=name if is_correct else None,
            )  # fmt: skip
    axes.set(xticks=(), yticks=())
    axes.spines[:].set_visible(False)
    axes.set_title(f"Test faces as {embedding['network']} sees them (t-SNE); rings: predicted wrongly")
    axes.set_aspect("equal", "datalim")
    figure.legend(loc="outside right center", frameon=False, title="label")
    figure.get_layout_engine().set(rect=(0.01, 0.045, 0.98, 0.95))
    return figure


if __name__ == "__main__":
    run_tool(main, Settings, "What the network has learned")
