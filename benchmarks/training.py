"""Measure how fast step 8 trains LeNet-5, compared with plain PyTorch or with augmentation.

With `--against torch`, the same network, batch and optimizer in plain PyTorch; with `--against augmented`, step 8 with
the augmentation of the recipe `augmented`. Each has its own process, and they train one epoch in turn while the other
waits, so that both meet the same changes of the machine's speed. Last, the arithmetic throughput of the training,
next to that of a large matrix product in the same run. The faces are random: the duration does not depend on them.

Run:    python3 -m pip install -r benchmarks/requirements.txt
        python3 benchmarks/training.py
        python3 benchmarks/training.py --against augmented --batch-size 128
"""

import dataclasses
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import run_benchmark

import numpy as np

# LeNet-5 has 1.2 million multiply-adds per face (models/LeNet-5_baseline.md), of two operations each. The backward pass
# computes gradients of inputs and weights, so it takes twice the operations of the forward pass.
FLOP_PER_FACE = 3 * 2 * 1.2e6


@dataclass
class Settings:
    faces: int = 25_120  # training faces per epoch
    batch_size: int = 48  # faces per step
    epochs: int = 8  # measured epochs, after one for warm-up
    against: Literal["torch", "augmented"] = "torch"  # what step 8 is compared with
    worker: Literal["", "keras", "torch", "augmented"] = ""  # internal: what this process trains


def main(settings: Settings) -> None:
    if settings.worker:
        (train_torch if settings.worker == "torch" else train_keras)(settings)
        return
    seconds = measure_epochs(settings)
    for name, durations in seconds.items():
        rates = [settings.faces / duration for duration in durations]
        print(
            f"  {name:<10} median {statistics.median(rates):>7,.0f} images/s ({min(rates):,.0f} to {max(rates):,.0f})"
        )
    pairs = zip(seconds[settings.against], seconds["keras"], strict=True)
    ratios = [other / keras_duration for other, keras_duration in pairs]
    print(
        f"  an epoch of {settings.against} takes {statistics.median(ratios):.2f} times as long as one of step 8 "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )
    throughput = settings.faces / statistics.median(seconds["keras"]) * FLOP_PER_FACE
    print(
        f"  step 8 computes {throughput / 1e9:.0f} GFLOP/s; "
        f"a large matrix product {measure_matrix_product() / 1e9:.0f} GFLOP/s"
    )


def measure_epochs(settings: Settings) -> dict[str, list[float]]:
    """Return the durations of the measured epochs in seconds, {worker: durations}; the workers take turns."""
    workers = {name: start_worker(name, settings) for name in ("keras", settings.against)}
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for epoch in range(settings.epochs + 1):
        for name, worker in workers.items():
            worker.stdin.write("start\n")
            worker.stdin.flush()
            duration = float(worker.stdout.readline())
            if epoch:
                seconds[name].append(duration)
    return seconds


def measure_matrix_product(size: int = 2048, repeats: int = 8) -> float:
    """Return the highest FLOP/s of float32 matrix products by NumPy's library."""
    first, second = np.random.default_rng(0).random((2, size, size), np.float32)
    durations = []
    for _ in range(repeats):
        started = time.perf_counter()
        first @ second
        durations.append(time.perf_counter() - started)
    return 2 * size**3 / min(durations)


def start_worker(name: str, settings: Settings) -> subprocess.Popen:
    command = [sys.executable, __file__, "--worker", name]
    for flag in ("faces", "batch_size", "epochs"):
        command += [f"--{flag.replace('_', '-')}", str(getattr(settings, flag))]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def random_faces(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return faces (N, 48, 48, 1) float32 and one-hot labels (N, 7) float32."""
    rng = np.random.default_rng(0)
    faces = rng.random((settings.faces, 48, 48, 1), np.float32)
    return faces, np.eye(7, dtype=np.float32)[rng.integers(0, 7, settings.faces)]


def train_keras(settings: Settings) -> None:
    """Train like Compiling_model.py; print the duration of each epoch, which starts at a line of the input."""
    from pipeline.data.augmentation import Augmentation
    from pipeline.models.backend import keras
    from pipeline.models.model_zoo import MODELS_DIR
    from pipeline.models.serialization import load_model
    from pipeline.training.batches import ShuffledBatches, to_tf_dataset
    from pipeline.training.callbacks import StopOnNaN
    from pipeline.training.optimizers import STEPS_PER_EXECUTION
    from pipeline.training.recipes import RECIPES

    model = keras.models.clone_model(
        load_model(MODELS_DIR / "LeNet-5_baseline.keras")
    )  # with initial weights
    model.compile(
        optimizer=keras.optimizers.Adam(0.001),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=STEPS_PER_EXECUTION,
    )

    class Timer(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            sys.stdin.readline()
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            print(time.perf_counter() - self.started, flush=True)

    names = {field.name for field in dataclasses.fields(Augmentation)} & RECIPES["augmented"].keys()
    is_augmented = settings.worker == "augmented"
    augmentation = Augmentation(**{name: RECIPES["augmented"][name] for name in names if is_augmented})
    batches = ShuffledBatches(*random_faces(settings), settings.batch_size, seed=0, augmentation=augmentation)
    shuffle = keras.callbacks.LambdaCallback(on_epoch_begin=batches.start_epoch)
    callbacks = [Timer(), shuffle, StopOnNaN()]
    model.fit(
        to_tf_dataset(batches), shuffle=False, epochs=settings.epochs + 1, verbose=0, callbacks=callbacks
    )


def train_torch(settings: Settings) -> None:
    """Train by a hand-written loop: tensors in memory, a permutation per epoch, loss and accuracy counted."""
    import torch
    from torch import nn

    faces, one_hot = random_faces(settings)
    faces = torch.from_numpy(faces.transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(one_hot.argmax(axis=1))
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1296, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 7)),
    )
    optimizer = torch.optim.Adam(model.parameters(), 0.001)
    criterion = nn.CrossEntropyLoss()
    for _ in range(settings.epochs + 1):
        sys.stdin.readline()
        started = time.perf_counter()
        n_correct, total_loss = torch.zeros(()), torch.zeros(())
        for rows in torch.randperm(len(faces)).split(settings.batch_size):
            logits = model(faces[rows])
            loss = criterion(logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total_loss += loss.detach()
            n_correct += (logits.argmax(dim=1) == labels[rows]).sum()
        (n_correct.item(), total_loss.item())
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    run_benchmark(main, Settings)
