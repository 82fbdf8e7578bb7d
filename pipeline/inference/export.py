"""The formats in which step 13 saves a network, and what each is worth.

The exported ones (LiteRT, ONNX, SavedModel) take faces as they are, uint8 (N, 48, 48, 1), and divide by 255 inside, so
that nobody can forget it; .keras and .h5 hold the network as step 8 trained it, which takes float32 in [0, 1].
Labels stand in the file where its format has a place for them.
"""

import shutil
import statistics
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, SIDE
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models.backend import keras
from pipeline.workflow.atomic_io import atomic_write
from pipeline.workflow.fingerprint import compute_sha256
from pipeline.workflow.logging import suppress_output

FormatName = Literal["keras", "h5", "litert", "litert_float16", "litert_int8", "onnx", "saved_model"]
LABELS = "\n".join(EMOTIONS) + "\n"


@dataclass(frozen=True)
class Format:
    """write(model, path, calibration faces); `needs` are packages beyond requirements.txt."""

    ending: str  # after the network's name
    write: Callable[[keras.Model, Path, np.ndarray], None]
    largest_difference: float = 1e-4  # of probabilities, from the trained network's; more is refused
    largest_loss: float = 0.0  # of accuracy; where above 0 it stands in for the difference
    needs: tuple[str, ...] = ()


def write_keras(model: keras.Model, path: Path, calibration: np.ndarray) -> None:
    model.save(path)


def write_litert(model: keras.Model, path: Path, calibration: np.ndarray, **converter: Any) -> None:
    # Not by export(format="litert"), which Keras 3.12 and below, the last for Python 3.10, don't have.
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        add_rescaling(model).export(folder, format="tf_saved_model", verbose=False)
        conversion = tf.lite.TFLiteConverter.from_saved_model(folder)
        for name, value in converter.items():
            setattr(conversion, name, value)
        path.write_bytes(conversion.convert())
    with zipfile.ZipFile(
        path, "a"
    ) as associated:  # a place that the format has: an archive behind the network
        associated.writestr("labels.txt", LABELS)


def write_litert_float16(model: keras.Model, path: Path, calibration: np.ndarray) -> None:
    import tensorflow as tf

    half = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": tf.lite.TargetSpec(supported_types=[tf.float16]),
    }
    write_litert(model, path, calibration, **half)


def write_litert_int8(model: keras.Model, path: Path, calibration: np.ndarray) -> None:
    import tensorflow as tf

    def faces() -> Iterator[list[np.ndarray]]:
        for face in calibration:
            yield [face[np.newaxis]]

    eighth = {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": faces}
    write_litert(model, path, calibration, **eighth)


def write_onnx(model: keras.Model, path: Path, calibration: np.ndarray) -> None:
    import onnx

    add_rescaling(model).export(str(path), format="onnx", verbose=False)
    exported = onnx.load(path)
    onnx.helper.set_model_props(exported, {"labels": ",".join(EMOTIONS)})
    onnx.save(exported, path)


def write_saved_model(model: keras.Model, path: Path, calibration: np.ndarray) -> None:
    add_rescaling(model).export(str(path), format="tf_saved_model", verbose=False)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / "labels.txt").write_text(LABELS, encoding="utf-8")


FORMATS: dict[FormatName, Format] = {
    "keras": Format(".keras", write_keras),
    "h5": Format(".h5", write_keras),
    "litert": Format(".tflite", write_litert),
    "litert_float16": Format("_float16.tflite", write_litert_float16, largest_difference=1e-2),
    "litert_int8": Format("_int8.tflite", write_litert_int8, largest_loss=0.01),
    "onnx": Format(".onnx", write_onnx, needs=("onnx", "tf2onnx", "onnxruntime")),
    "saved_model": Format("_saved_model", write_saved_model),
}


def add_rescaling(model: keras.Model) -> keras.Model:
    """The network with a division by 255 before it."""
    faces = keras.Input((SIDE, SIDE, 1), dtype="uint8", name="faces")
    whole = keras.Model(faces, model(keras.layers.Rescaling(1 / 255)(faces)), name=model.name)
    whole(np.zeros((1, SIDE, SIDE, 1), np.uint8))  # the exporter to ONNX wants it to have been called
    return whole


def export_checked(
    model: keras.Model,
    name: FormatName,
    path: Path,
    faces: np.ndarray,
    labels: np.ndarray,
    expected: np.ndarray,
    calibration: np.ndarray,
) -> dict[str, Any]:
    """Write a model to `path` in a format, load it in that format's runtime, and put it in place if it answers alike.

    faces (N, 48, 48, 1) uint8 with their labels (N,) and the probabilities (N, 7) that the model itself gives;
    calibration: training faces, uint8, from which int8 takes its ranges. Returns what was measured. Raises ImportError
    where a package is missing, and ValueError where the answers differ by more than the format may.
    """
    format_ = FORMATS[name]
    missing = [package for package in format_.needs if find_spec(package) is None]
    if missing:
        raise ImportError(f"{name} needs packages: python -m pip install {' '.join(missing)}")
    with atomic_path(path) as unfinished:
        with suppress_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters' own use of what is going out of date
            format_.write(model, unfinished, calibration)
            classifier = EmotionClassifier(unfinished)
        answers = classifier.predict_proba(faces)
        facts = {
            "format": name,
            **compare_predictions(answers, expected, labels),
            **measure_speed(classifier, faces),
        }
        lost = float(np.mean(expected.argmax(axis=1) == labels)) - facts["accuracy"]
        check_agreement(path.name, format_, facts["largest_difference"], lost)
        return facts | file_facts(unfinished)


def compare_predictions(answers: np.ndarray, expected: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    top = answers.argmax(axis=1)
    return {
        "largest_difference": float(np.abs(answers - expected).max()),
        "agreement": float(np.mean(top == expected.argmax(axis=1))),
        "accuracy": float(np.mean(top == labels)),
    }


def check_agreement(name: str, format_: Format, difference: float, lost: float) -> None:
    if format_.largest_loss:
        if not lost <= format_.largest_loss:
            raise ValueError(
                f"{name}, loaded again, is right {100 * lost:.1f} points less often than the network."
            )
    elif not difference <= format_.largest_difference:
        raise ValueError(
            f"{name}, loaded again, differs by {difference:.1e} from the network it was saved from; "
            f"{format_.largest_difference:.0e} is let pass."
        )


def measure_speed(classifier: EmotionClassifier, faces: np.ndarray, times: int = 200) -> dict[str, float]:
    """Milliseconds that one face takes, and faces per second in batches of 256."""
    one = [time_prediction(classifier, faces[:1]) for _ in range(times + 10)][10:]
    batch = faces[:256]
    many = [time_prediction(classifier, batch) for _ in range(6)][1:]
    return {
        "milliseconds": statistics.median(one),
        "milliseconds_99": float(np.percentile(one, 99)),
        "faces_per_second": 1000 * len(batch) / statistics.median(many),
    }


def time_prediction(classifier: EmotionClassifier, faces: np.ndarray) -> float:
    started = time.perf_counter()
    classifier.predict_proba(faces)
    return 1000 * (time.perf_counter() - started)


def file_facts(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return {"bytes": sum(inner.stat().st_size for inner in path.rglob("*") if inner.is_file())}
    with open(path, "rb") as file:
        return {"bytes": path.stat().st_size, "sha256": compute_sha256(file)}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """`whole_or_not`, for a folder too: the old one goes only when the new one is whole."""
    if path.suffix:
        with atomic_write(path) as unfinished:
            yield unfinished
        return
    unfinished = path.with_name(f".unfinished-{path.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        yield unfinished
        shutil.rmtree(path, ignore_errors=True)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
