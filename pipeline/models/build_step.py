"""Run a step 7: build a network, check, draw and store it. Each *_model.py passes its own `build` function.

A script that calls run_build_step can be step 7, whatever its name.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.workflow.cli import run_step

from pipeline.models import model_diagram
from pipeline.models.backend import keras
from pipeline.models.check_network import check_network
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json, write_text
from pipeline.workflow.results_index import record_network
from pipeline.workflow.steps import RESULTS, get_build_step

BuildFunction = Callable[..., keras.Model]


def run_build_step(build: BuildFunction, settings_class: type) -> None:
    """Build a network for the faces of step 6, check it, draw its diagram, and store it as the artifact `model`.

    Args:
        build: Called as build(settings, face_shape), with face_shape as (height, width, channels), and with n_emotions,
            the number of outputs, if it has a parameter of that name. It returns a network that meets the requirements
            of pipeline.models.check_network.
        settings_class: The script's dataclass of settings. It must have the fields `seed`, `figures` and `show`.
    """

    def main(settings: Any, store: ArtifactStore) -> None:
        missing = [name for name in ("seed", "figures", "show") if not hasattr(settings, name)]
        if missing:
            raise ValueError(f"Settings lacks {' and '.join(missing)}; see LeNet-5_model.py.")
        face_shape = tuple(store.entry("train_x")["shape"][1:])
        n_emotions = len(store.read("emotions"))
        takes_number = "n_emotions" in inspect.signature(build).parameters
        keras.utils.set_random_seed(settings.seed)
        model = build(settings, face_shape, **({"n_emotions": n_emotions} if takes_number else {}))
        packed = check_network(model, face_shape, n_emotions)

        model.summary()
        store.write(model=packed)
        with record_network(store, "model.txt", "model.json"):
            write_text(RESULTS / "model.txt", model_diagram.format_summary(model))
            write_json(
                RESULTS / "model.json", {"name": model.name, "layers": model_diagram.layer_table(model)}
            )
        model_diagram.draw_diagram(model, "model", store, settings.figures, settings.show)

    run_step(main, settings_class, step=get_build_step(Path(sys.argv[0]).name))
