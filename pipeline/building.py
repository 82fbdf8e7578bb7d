"""What every step 7 does with the network that its script builds."""

from collections.abc import Callable
from typing import Any

from pipeline import diagram, network
from pipeline.cache import Cache
from pipeline.cli import run_step
from pipeline.files import write_json, write_text
from pipeline.network import keras
from pipeline.steps import RESULTS

Build = Callable[[Any, tuple[int, int, int]], keras.Model]


def run_network(build: Build, settings_class: type) -> None:
    """Run a step 7: build the network for the faces of step 6, draw it, and put it into data/model.

    build(settings, face_shape): a network for faces of that (height, width, channels). The settings must have the
    fields `seed` and `show`.
    """

    def main(settings: Any, cache: Cache) -> None:
        face_shape = tuple(cache.entry("train_x")["shape"][1:])
        source = cache.read("source")
        keras.utils.set_random_seed(settings.seed)
        model = build(settings, face_shape)
        model.summary()
        write_text(RESULTS / "model.txt", diagram.summary(model))
        write_json(RESULTS / "model.json", {"name": model.name, "layers": diagram.table(model)})
        diagram.draw(model, "model.png", source, settings.show)
        cache.write(model=network.pack(model))

    run_step(main, settings_class)
