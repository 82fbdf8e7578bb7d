"""Step 8: compile the network and train it.

By default as the description has it: Adam, categorical cross-entropy and accuracy, validated on PublicTest after
each epoch; the test split is not touched. The recipe "strong" makes more of the same network, and "distilled", which
teaches it the answers of models/Strong.keras, the most.
Each epoch leaves a checkpoint: after a kill the same command goes on from it and ends with the same weights, bit
for bit, as if nothing had happened. A network with a backbone, one that has learned elsewhere, can keep that as it is
for the first epochs (frozen_epochs) and then train all of it gently (fine_tuning_rate).
Reads data/model, train_x, train_y, val_x, val_y. Writes data/trained_model, history and, meanwhile, checkpoint;
adds a line to results/runs.csv.
Run:    python Compiling_model.py
        python Compiling_model.py --epochs 5 --batch-size 128
        python Compiling_model.py --recipe strong --rotate 15
        python Compiling_model.py --recipe transfer         after Transfer_Learning_model.py
        python Compiling_model.py --distribute              on all GPUs of this machine; for more machines see README.md
Expect: two to three minutes on two processor cores for FER2013, 30 epochs of 5 s.
"""

import dataclasses
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipeline.workflow.cli import run_step

import keras

from pipeline.data.augmentation import Augmentation
from pipeline.data.fer2013 import SIDE
from pipeline.models import serialization
from pipeline.reporting import run_log
from pipeline.training import distributed, launcher
from pipeline.training.batches import ShuffledBatches, to_tf_dataset
from pipeline.training.callbacks import StopOnNaN
from pipeline.training.distillation import distill_targets
from pipeline.training.ema import EvaluateEMA
from pipeline.training.fast_layers import Precision, build_fast_copy
from pipeline.training.fine_tuning import Phase, set_backbone_trainable
from pipeline.training.schedules import build_schedule, class_weights
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.fingerprint import compute_fingerprint
from pipeline.workflow.steps import ROOT

Recipe = Literal["description", "strong", "distilled", "residual", "transfer"]


@dataclass
class Settings:
    recipe: Recipe = "description"  # of RECIPES, below
    epochs: int = 30  # times that each training face is seen
    batch_size: int = 48  # faces per step
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"  # sgd: with Nesterov momentum of 0.9
    learning_rate: float = 0.001  # its highest value
    schedule: Literal["constant", "cosine"] = "constant"  # cosine: falls to 0 by the last epoch
    warmup_epochs: float = 0.0  # over which a cosine schedule rises from 0
    frozen_epochs: int = 0  # first epochs, in which a backbone keeps its weights, at a constant learning_rate
    fine_tuning_rate: float = 0.0005  # highest learning rate after frozen_epochs, of the backbone too
    weight_decay: float = 0.0  # of adamw and sgd
    label_smoothing: float = 0.0  # 0 to 1: share of each label spread over all emotions
    ema: float = 0.0  # momentum of a running average of the weights, which then counts: 0.999; 0: no average
    teachers: tuple[str, ...] = ()  # saved models (.keras) whose answers are mixed into the labels
    teacher_share: float = 0.7  # of the teachers' mean answer in each label
    precision: Precision = "float32"  # mixed_bfloat16: twice as fast for wide networks on some processors
    class_weights: bool = False  # True: each emotion counts the same, however rare
    flip: bool = False  # True: mirror every second face
    rotate: float = 0.0  # degrees, either way
    shift: float = 0.0  # pixels, each way
    zoom: float = 0.0  # share, in or out
    contrast: float = 0.0  # share, more or less
    brightness: float = 0.0  # of the range from black to white, up or down
    erase: int = 0  # pixels: the longest side of a gray patch put over each face
    mixup: float = 0.0  # alpha: 0 none, 0.2 a little, 1 much of another face mixed in
    patience: int = 0  # epochs without a better validation accuracy after which to stop; 0: never
    keep: Literal["last", "best"] = "last"  # whose weights count: the last epoch's or the best on validation
    seed: int = 0  # of the order of the faces and of random layers
    distribute: bool = False  # True: train by JAX on all devices of this machine, and of others
    hosts: int = 1  # machines that train together; on each runs this command, with a host of its own
    host: int = 0  # which of them this one is; 0 is the one that writes
    coordinator: str = ""  # host 0 as the others reach it, and a free port there: 192.168.1.10:5555
    resume: bool = True  # go on from data/checkpoint where it fits these settings
    verbose: int = 1  # 1: a progress bar per epoch (in a terminal), 2: a line per epoch, 0: nothing


RECIPES = {
    "description": Settings(),
    "strong": Settings(
        recipe="strong", epochs=120, batch_size=128, optimizer="adamw", learning_rate=0.002, schedule="cosine",
        warmup_epochs=1, weight_decay=0.05, label_smoothing=0.1, flip=True, rotate=12, shift=4, zoom=0.12, contrast=0.2,
        erase=12,
    ),
    "distilled": Settings(
        recipe="distilled", epochs=100, batch_size=128, optimizer="adamw", learning_rate=0.002, schedule="cosine",
        warmup_epochs=1, weight_decay=0.05, teachers=("models/Strong.keras",), teacher_share=1.0, flip=True, rotate=10,
        shift=3, zoom=0.12, contrast=0.2,
    ),
    "residual": Settings(
        recipe="residual", epochs=66, batch_size=128, optimizer="adamw", learning_rate=0.003, schedule="cosine",
        warmup_epochs=3, weight_decay=0.05, label_smoothing=0.1, ema=0.999, precision="mixed_bfloat16", flip=True,
        rotate=10, shift=4, zoom=0.15, contrast=0.15, brightness=0.1, erase=16,
    ),
    "transfer": Settings(
        recipe="transfer", epochs=16, batch_size=64, optimizer="adamw", learning_rate=0.001, schedule="cosine",
        warmup_epochs=1, frozen_epochs=2, fine_tuning_rate=0.0005, weight_decay=0.05, label_smoothing=0.1, flip=True,
        rotate=10, shift=4, zoom=0.15, contrast=0.15, brightness=0.1, erase=16,
    ),
}  # fmt: skip
AUGMENTATION = [field.name for field in dataclasses.fields(Augmentation)]


def main(settings: Settings, store: ArtifactStore) -> None:
    refuse_nonsense(settings)
    cluster = distributed.SingleProcess()
    if settings.distribute:
        cluster = distributed.DataParallelCluster(settings.coordinator, settings.hosts, settings.host)
    packed = store.read("model")
    train_x, train_y = store.read("train_x"), store.read("train_y")
    val_x, val_y = store.read("val_x"), store.read("val_y")
    cluster.agree(dependencies(settings, store))

    augmentation = Augmentation(**{name: getattr(settings, name) for name in AUGMENTATION})
    labels = (
        distill_targets(settings.teachers, train_x, train_y, settings.teacher_share)
        if settings.teachers
        else train_y
    )
    cluster.spread(settings.batch_size)
    keras.utils.set_random_seed(settings.seed)
    model = build_fast_copy(serialization.unpack(packed), settings.precision)
    batches = ShuffledBatches(
        train_x,
        labels,
        settings.batch_size,
        settings.seed,
        augmentation if augmentation != Augmentation() else None,
    )
    shares = cluster.shares(batches)
    checkpoint = cluster.checkpoint(store, dependencies(settings, store), settings.patience)
    if settings.resume:
        checkpoint.load()
    print(
        f"  {packed['name']}: {len(train_x):,} faces to train on, {len(val_x):,} to validate on", flush=True
    )
    for phase in phases(settings):
        done = checkpoint.epochs()
        if done > phase.stop:  # what came of it is part of the checkpoint
            continue
        if settings.frozen_epochs:
            set_backbone_trainable(model, phase.frozen)
            what = "keeps its weights" if phase.frozen else "learns too"
            print(f"  up to epoch {phase.stop} the backbone {what}", flush=True)
        model.compile(
            optimizer=optimizer(settings, phase, len(shares)),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
            metrics=["accuracy"],
        )
        checkpoint.average = EvaluateEMA(cluster.whole(batches)) if model.optimizer.use_ema else None
        if done > phase.start:
            checkpoint.restore(model)
        model.fit(
            to_tf_dataset(shares),
            shuffle=False,
            epochs=done if checkpoint.has_run_out_of_patience() else phase.stop,
            initial_epoch=done,
            validation_data=(val_x, val_y),
            validation_batch_size=512,
            class_weight=class_weights(train_y) if settings.class_weights else None,
            verbose=progress(settings),
            callbacks=[
                keras.callbacks.LambdaCallback(on_epoch_begin=batches.start_epoch),
                StopOnNaN(),
                *cluster.callbacks,
                *([checkpoint.average] if checkpoint.average else []),
                checkpoint,
            ],
        )
        if checkpoint.has_run_out_of_patience():
            break

    history, best = checkpoint.history, checkpoint.best_epoch()
    last_weights = checkpoint.last_weights()
    cluster.leave()
    if not cluster.is_first:
        print(f"  trained for {len(history['loss'])} epochs; host 0 keeps what came of it")
        return
    counts = checkpoint.best_weights if settings.keep == "best" else last_weights
    others = {"last_weights": last_weights, "best_weights": checkpoint.best_weights, "keep": settings.keep}
    store.write(trained_model=packed | {"weights": counts} | others, history=history)
    store.remove("checkpoint")

    note_run(settings, store, model, history)

    epochs = len(history["loss"])
    print(f"  after {epochs} epochs, {sum(history['seconds']):.0f} s:")
    for which, epoch in (("last", epochs - 1), ("best on validation", best)):
        train, validation = history["accuracy"][epoch], history["val_accuracy"][epoch]
        print(f"  {which + ':':<20}epoch {epoch + 1:>3}, train {train:.2%}, validation {validation:.2%}")
    print(f"  the {settings.keep} weights count")


def refuse_nonsense(settings: Settings) -> None:
    for name in ("epochs", "batch_size", "learning_rate", "fine_tuning_rate"):
        if not getattr(settings, name) > 0:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must be above 0.")
    for name in (
        "warmup_epochs",
        "frozen_epochs",
        "weight_decay",
        "label_smoothing",
        "ema",
        "patience",
        "seed",
        *AUGMENTATION,
    ):
        if getattr(settings, name) < 0:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must not be below 0.")
    for name in ("label_smoothing", "zoom", "contrast", "ema"):
        if getattr(settings, name) >= 1:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must be below 1.")
    if not 0 <= settings.teacher_share <= 1:
        raise ValueError(f"teacher_share is {settings.teacher_share}, but must lie between 0 and 1.")
    if settings.weight_decay and settings.optimizer == "adam":
        raise ValueError("weight_decay is for the optimizers adamw and sgd; adam has none.")
    if not settings.distribute and (settings.hosts != 1 or settings.host or settings.coordinator):
        raise ValueError("hosts, host and coordinator are for distribute, which is not set.")
    if settings.erase > SIDE:
        raise ValueError(f"erase is {settings.erase}, but a face has only {SIDE} pixels a side.")
    if settings.frozen_epochs > settings.epochs:
        raise ValueError(
            f"frozen_epochs is {settings.frozen_epochs}, but there are only {settings.epochs} epochs."
        )
    scheduled = settings.epochs - settings.frozen_epochs
    if settings.schedule == "cosine" and scheduled and settings.warmup_epochs >= scheduled:
        after = " after frozen_epochs" if settings.frozen_epochs else ""
        raise ValueError(
            f"warmup_epochs is {settings.warmup_epochs}, but there are only {scheduled} epochs{after}."
        )


def phases(settings: Settings) -> list[Phase]:
    """All epochs alike, or first those of the new layers alone and then, with the gentler rate, the rest."""
    frozen, epochs = settings.frozen_epochs, settings.epochs
    rate = settings.fine_tuning_rate if frozen else settings.learning_rate
    both = (
        Phase(0, frozen, settings.learning_rate, "constant", frozen=True),
        Phase(frozen, epochs, rate, settings.schedule, frozen=False),
    )
    return [phase for phase in both if phase.start < phase.stop]


def optimizer(settings: Settings, phase: Phase, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    rate = build_schedule(
        phase.learning_rate,
        phase.schedule,
        settings.warmup_epochs,
        phase.stop - phase.start,
        steps_per_epoch,
    )
    # The new layer after a frozen backbone learns within a few steps; an average would hold it back.
    average = {"use_ema": True, "ema_momentum": settings.ema} if settings.ema and not phase.frozen else {}
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(rate, **average)
    if settings.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **average)
    decay = settings.weight_decay or None
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay, **average)


def progress(settings: Settings) -> int:
    """What `fit` is to show, as its `verbose`: a bar only in a terminal, and only the first host shows anything."""
    if settings.host:
        return 0
    return 2 if settings.verbose == 1 and not sys.stdout.isatty() else settings.verbose


def note_run(
    settings: Settings, store: ArtifactStore, model: keras.Model, history: dict[str, list[float]]
) -> None:
    """A line in results/runs.csv: what was trained, how, and how it went. Step 9 adds the accuracy on test."""
    line = {
        "date": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
        "data": store.read("source", track=False)["label"],
        "network": model.name,
        "recipe": settings.recipe,
        "parameters": model.count_params(),
        "seed": settings.seed,
        "epochs": len(history["loss"]),
        "seconds": round(sum(history["seconds"]), 1),
        "train_accuracy": f"{history['accuracy'][-1]:.4f}",
        "validation_accuracy": f"{history['val_accuracy'][-1]:.4f}",
        "weights": store.outputs["trained_model"],
    }
    run_log.append_run(store, line)


def dependencies(settings: Settings, store: ArtifactStore) -> dict:
    """All that the result depends on: a checkpoint that depends on anything else is not gone on from."""
    told = dataclasses.asdict(settings)
    for name in ("resume", "verbose", "keep", "distribute", "hosts", "host", "coordinator"):
        told.pop(name)
    told["teachers"] = [compute_fingerprint(ROOT / path)["sha256"] for path in settings.teachers]
    return {"settings": told, "inputs": dict(store.inputs), "backend": keras.backend.backend()}


if __name__ == "__main__":
    run_step(main, Settings, recipes=RECIPES, setup=launcher.relaunch_on_jax)
