"""Step 8: compile the network and train it.

Adam, categorical cross-entropy and accuracy, validated on PublicTest after each epoch; the test split is not
touched. Each epoch leaves a checkpoint: after a kill the same command goes on from it and ends with the same
weights, bit for bit, as if nothing had happened.
Reads data/model, train_x, train_y, val_x, val_y. Writes data/trained_model, history and, meanwhile, checkpoint;
adds a line to results/runs.csv.
Run:    python Compiling_model.py
        python Compiling_model.py --epochs 5 --batch-size 128
Expect: two minutes on two processor cores for FER2013: 30 epochs of 4 s.
"""

import dataclasses
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipeline import network, runs
from pipeline.cache import Cache
from pipeline.cli import run_step
from pipeline.training import Checkpoint, ShuffledBatches, StopWhenNotFinite

import keras


@dataclass
class Settings:
    epochs: int = 30  # times that each training face is seen
    batch_size: int = 48  # faces per step
    learning_rate: float = 0.001  # of Adam
    keep: Literal["last", "best"] = "last"  # whose weights count: the last epoch's or the best on validation
    seed: int = 0  # of the order of the faces and of random layers
    resume: bool = True  # go on from data/checkpoint where it fits these settings
    verbose: int = 1  # 1: a progress bar per epoch (in a terminal), 2: a line per epoch, 0: nothing


def main(settings: Settings, cache: Cache) -> None:
    refuse_nonsense(settings)
    packed = cache.read("model")
    train_x, train_y = cache.read("train_x"), cache.read("train_y")
    val_x, val_y = cache.read("val_x"), cache.read("val_y")

    keras.utils.set_random_seed(settings.seed)
    model = network.unpack(packed)
    model.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )

    checkpoint = Checkpoint(cache, recipe(settings, cache))
    checkpoint.set_model(model)
    first_epoch = checkpoint.restore() if settings.resume else 0
    print(
        f"  {packed['name']}: {len(train_x):,} faces to train on, {len(val_x):,} to validate on", flush=True
    )
    batches = ShuffledBatches(train_x, train_y, settings.batch_size, settings.seed)
    model.fit(
        batches,
        shuffle=False,
        epochs=settings.epochs,
        initial_epoch=first_epoch,
        validation_data=(val_x, val_y),
        validation_batch_size=512,
        verbose=2 if settings.verbose == 1 and not sys.stdout.isatty() else settings.verbose,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_begin=batches.start_epoch),
            StopWhenNotFinite(),
            checkpoint,
        ],
    )

    history, best = checkpoint.history, checkpoint.best_epoch()
    last_weights = model.get_weights()
    counts = checkpoint.best_weights if settings.keep == "best" else last_weights
    others = {"last_weights": last_weights, "best_weights": checkpoint.best_weights, "keep": settings.keep}
    cache.write(trained_model=packed | {"weights": counts} | others, history=history)
    cache.remove("checkpoint")

    note_run(settings, cache, model, history)

    print(f"  after {settings.epochs} epochs, {sum(history['seconds']):.0f} s:")
    for which, epoch in (("last", settings.epochs - 1), ("best on validation", best)):
        train, validation = history["accuracy"][epoch], history["val_accuracy"][epoch]
        print(f"  {which + ':':<20}epoch {epoch + 1:>3}, train {train:.2%}, validation {validation:.2%}")
    print(f"  the {settings.keep} weights count")


def refuse_nonsense(settings: Settings) -> None:
    for name in ("epochs", "batch_size", "learning_rate"):
        if not getattr(settings, name) > 0:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must be above 0.")


def note_run(settings: Settings, cache: Cache, model: keras.Model, history: dict[str, list[float]]) -> None:
    """A line in results/runs.csv: what was trained, how, and how it went. Step 9 adds the accuracy on test."""
    line = {
        "date": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
        "data": cache.read("source", account=False)["label"],
        "network": model.name,
        "parameters": model.count_params(),
        "seed": settings.seed,
        "epochs": settings.epochs,
        "seconds": round(sum(history["seconds"]), 1),
        "train_accuracy": f"{history['accuracy'][-1]:.4f}",
        "validation_accuracy": f"{history['val_accuracy'][-1]:.4f}",
        "weights": cache.written["trained_model"],
    }
    runs.add(cache, line)


def recipe(settings: Settings, cache: Cache) -> dict:
    """All that the result depends on: a checkpoint of another recipe is not gone on from."""
    told = dataclasses.asdict(settings)
    for name in ("resume", "verbose", "keep"):
        told.pop(name)
    return {"settings": told, "made_from": dict(cache.made_from), "backend": keras.backend.backend()}


if __name__ == "__main__":
    run_step(main, Settings)
