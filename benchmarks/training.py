"""How fast step 8 trains LeNet-5, beside the same network, batch and optimizer in plain PyTorch.

Or, with --against augmented, beside itself with the augmentation of the recipe "strong". Last, how much of what this
processor can multiply the training uses: the peak is that of a product of large matrices in the same run.
Each has a process of its own; they train one epoch in turn while the other waits, so that a change of the
machine's speed meets both. The faces are random: the time does not depend on them.
Run:    python -m pip install -r benchmarks/requirements.txt
        python benchmarks/training.py
        python benchmarks/training.py --against augmented --batch-size 128
"""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

# Of LeNet-5 for one face: 1.2 million multiply-adds (models/LeNet-5_description.md), of two operations each, forwards
# and, for inputs and weights, twice as many backwards.
OPERATIONS = 3 * 2 * 1.2e6
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@dataclass
class Settings:
    faces: int = 25_120  # to train on
    batch_size: int = 48  # faces per step
    epochs: int = 8  # counted ones, after one to warm up
    against: Literal["torch", "augmented"] = "torch"  # what step 8 is measured against
    worker: Literal["", "keras", "torch", "augmented"] = ""  # internal: what this process trains with


def main(settings: Settings) -> None:
    if settings.worker:
        (train_torch if settings.worker == "torch" else train_keras)(settings)
        return
    workers = {name: start(name, settings) for name in ("keras", settings.against)}
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for epoch in range(settings.epochs + 1):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            took = float(worker.stdout.readline())
            if epoch:
                seconds[name].append(took)
    for name, took in seconds.items():
        rates = [settings.faces / second for second in took]
        print(
            f"  {name:<6} median {statistics.median(rates):>7,.0f} images/s ({min(rates):,.0f} to {max(rates):,.0f})"
        )
    ratios = [other / ours for other, ours in zip(seconds[settings.against], seconds["keras"], strict=True)]
    spread = f"{statistics.median(ratios):.2f} times as long ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"  an epoch of {settings.against} takes {spread} as one of step 8")
    rate = settings.faces / statistics.median(seconds["keras"])
    used, peak = rate * OPERATIONS, matrix_product_peak()
    print(
        f"  step 8 computes {used / 1e9:.0f} of {peak / 1e9:.0f} thousand million products and sums a second"
    )


def matrix_product_peak(size: int = 2048, times: int = 8) -> float:
    """Products and sums a second of float32 in the best of some products of two matrices, by NumPy's library."""
    rng = np.random.default_rng(0)
    one, other = rng.random((2, size, size), np.float32)
    took = []
    for _ in range(times):
        started = time.perf_counter()
        one @ other
        took.append(time.perf_counter() - started)
    return 2 * size**3 / min(took)


def start(name: str, settings: Settings) -> subprocess.Popen:
    command = [sys.executable, __file__, "--worker", name]
    for flag in ("faces", "batch_size", "epochs"):
        command += [f"--{flag.replace('_', '-')}", str(getattr(settings, flag))]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def random_faces(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    faces = rng.random((settings.faces, 48, 48, 1), np.float32)
    return faces, np.eye(7, dtype=np.float32)[rng.integers(0, 7, settings.faces)]


def train_keras(settings: Settings) -> None:
    """As Compiling_model.py does it."""
    import runpy

    import keras

    from pipeline.data.augmentation import Augmentation
    from pipeline.training.batches import ShuffledBatches, to_tf_dataset
    from pipeline.training.callbacks import StopOnNaN

    lenet = runpy.run_path(str(ROOT / "LeNet-5_model.py"))
    model = lenet["build"](lenet["Settings"](), (48, 48, 1))
    model.compile(
        optimizer=keras.optimizers.Adam(0.001),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )

    class Timed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            sys.stdin.readline()
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            print(time.perf_counter() - self.started, flush=True)

    augmentation = None
    if settings.worker == "augmented":
        strong = runpy.run_path(str(ROOT / "Compiling_model.py"))
        values = {name: getattr(strong["RECIPES"]["strong"], name) for name in strong["AUGMENTATION"]}
        augmentation = Augmentation(**values)
    batches = ShuffledBatches(*random_faces(settings), settings.batch_size, seed=0, augmentation=augmentation)
    shuffle = keras.callbacks.LambdaCallback(on_epoch_begin=batches.start_epoch)
    callbacks = [Timed(), shuffle, StopOnNaN()]
    model.fit(
        to_tf_dataset(batches), shuffle=False, epochs=settings.epochs + 1, verbose=0, callbacks=callbacks
    )


def train_torch(settings: Settings) -> None:
    """As one writes it by hand: tensors in memory, a permutation per epoch, accuracy counted."""
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
    loss_of = nn.CrossEntropyLoss()
    for _ in range(settings.epochs + 1):
        sys.stdin.readline()
        started = time.perf_counter()
        right, total = torch.zeros(()), torch.zeros(())
        for rows in torch.randperm(len(faces)).split(settings.batch_size):
            logits = model(faces[rows])
            loss = loss_of(logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            right += (logits.argmax(dim=1) == labels[rows]).sum()
        (total.item(), right.item())
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
