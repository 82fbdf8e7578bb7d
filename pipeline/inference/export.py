"""Export a network to the formats of step 13, and check each exported file against the network.

LiteRT, ONNX and SavedModel files take uint8 faces (N, 48, 48, 1) and divide by 255 inside. The .keras and .h5 files
hold the network as step 8 trained it, which takes float32 in [0, 1]. The labels are stored in a file where its format
can hold them.
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

from pipeline.data.fer2013 import EMOTIONS, SIDE, Emotions
from pipeline.inference.classifier import EmotionClassifier, first_line
from pipeline.models import model_labels, serialization
from pipeline.models.backend import keras
from pipeline.workflow.fingerprint import compute_folder_sha256, compute_sha256
from pipeline.workflow.logging import suppress_output

FormatName = Literal["keras", "h5", "litert", "litert_float16", "litert_int8", "onnx", "saved_model"]
BENCHMARK_BATCH_SIZE = 256  # faces


@dataclass(frozen=True)
class Format:
    """An export format: how to write it and how far its predictions may differ from the network's.

    Attributes:
        suffix: Appended to the name of the file.
        write: write(model, path, emotions)
        max_difference: Largest difference of a probability.
        max_accuracy_loss: Where above 0, it is checked instead of max_difference.
        packages: Packages beyond the dependencies in pyproject.toml.
    """

    suffix: str
    write: Callable[[keras.Model, Path, Emotions], None]
    max_difference: float = 1e-4
    max_accuracy_loss: float = 0.0
    packages: tuple[str, ...] = ()


def write_keras(model: keras.Model, path: Path, emotions: Emotions) -> None:
    serialization.save_model(model, path, emotions)


def write_litert(model: keras.Model, path: Path, emotions: Emotions, **options: Any) -> None:
    """Write a LiteRT file; `options` are attributes of tf.lite.TFLiteConverter."""
    # Not export(format="litert"), which Keras 3.12 and older, the last for Python 3.10, do not have.
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        add_rescaling(model).export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        for name, value in options.items():
            setattr(converter, name, value)
        path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as archive:  # LiteRT reads associated files from an archive at the end
        archive.writestr(model_labels.LABELS_FILE, model_labels.format_labels(emotions))


def write_litert_float16(model: keras.Model, path: Path, emotions: Emotions) -> None:
    import tensorflow as tf

    optimizations = [tf.lite.Optimize.DEFAULT]
    target_spec = tf.lite.TargetSpec(supported_types=[tf.float16])
    write_litert(model, path, emotions, optimizations=optimizations, target_spec=target_spec)


def write_litert_int8(model: keras.Model, path: Path, emotions: Emotions) -> None:
    """Write a LiteRT file that multiplies in 8 bits: weights are stored as int8, layers' inputs quantized as they come.

    This dynamic range quantization needs no calibration faces, and costs less accuracy than ranges fixed by such faces.
    """
    import tensorflow as tf

    write_litert(model, path, emotions, optimizations=[tf.lite.Optimize.DEFAULT])


def write_onnx(model: keras.Model, path: Path, emotions: Emotions) -> None:
    import onnx

    add_rescaling(model).export(str(path), format="onnx", verbose=False)
    exported = onnx.load(path)
    onnx.helper.set_model_props(exported, {"labels": ",".join(emotions)})
    onnx.save(exported, path)


def write_saved_model(model: keras.Model, path: Path, emotions: Emotions) -> None:
    add_rescaling(model).export(str(path), format="tf_saved_model", verbose=False)
    assets = path / model_labels.SAVED_MODEL_ASSETS
    assets.mkdir()
    labels = model_labels.format_labels(emotions)
    (assets / model_labels.LABELS_FILE).write_bytes(labels.encode("utf-8"))


FORMATS: dict[FormatName, Format] = {
    "keras": Format(".keras", write_keras),
    "h5": Format(".h5", write_keras),
    "litert": Format(".tflite", write_litert),
    "litert_float16": Format("_float16.tflite", write_litert_float16, max_difference=1e-2),
    "litert_int8": Format("_int8.tflite", write_litert_int8, max_accuracy_loss=0.01),
    "onnx": Format(".onnx", write_onnx, packages=("onnx", "tf2onnx", "onnxruntime")),
    "saved_model": Format("_saved_model", write_saved_model),
}


def add_rescaling(model: keras.Model) -> keras.Model:
    """Return the network with a division by 255 before it, for uint8 faces.

    It is called for inference: Keras's augmentation layers, such as RandomFlip, are active by default.
    """
    faces = keras.Input((SIDE, SIDE, 1), dtype="uint8", name="faces")
    probabilities = model(keras.layers.Rescaling(1 / 255)(faces), training=False)
    rescaled = keras.Model(faces, probabilities, name=model.name)
    rescaled(np.zeros((1, SIDE, SIDE, 1), np.uint8))  # the ONNX exporter needs a model that has been called
    return rescaled


def export_checked(
    model: keras.Model,
    name: FormatName,
    path: Path,
    faces: np.ndarray,
    labels: np.ndarray,
    expected: np.ndarray,
    emotions: Emotions = EMOTIONS,
) -> dict[str, Any]:
    """Export a model, load the file in its runtime, and keep it if its predictions match the model's.

    Args:
        model: The trained network.
        name: The format.
        path: The file, or for a SavedModel the folder, which does not exist yet. It is deleted after an error.
        faces: (N, 48, 48, 1) uint8, on which the predictions are compared.
        labels: (N,) int, their emotions.
        expected: (N, K), the network's own probabilities.
        emotions: The names of the K outputs, which are stored in the file.

    Returns:
        The measurements: differences, accuracy, speed, size and checksum.

    Raises:
        ImportError: If a package of the format is not installed.
        ValueError: If the exporter or the runtime fails, or the predictions differ by more than the format allows.
    """
    export_format = FORMATS[name]
    missing = [package for package in export_format.packages if find_spec(package) is None]
    if missing:
        raise ImportError(f"{name} needs packages: python3 -m pip install {' '.join(missing)}")
    with explain_failure(path):
        with suppress_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters use deprecated functions
            export_format.write(model, path, emotions)
            classifier = EmotionClassifier(path, trust=True)  # the card is written at the end
        comparison = compare_predictions(classifier.predict_proba(faces), expected, labels)
        accuracy_loss = float(np.mean(expected.argmax(axis=1) == labels)) - comparison["accuracy"]
        check_agreement(export_format, comparison["largest_difference"], accuracy_loss)
        return {"format": name, **comparison, **measure_speed(classifier, faces), **describe_file(path)}


@contextmanager
def explain_failure(path: Path) -> Iterator[None]:
    """Turn any error into a ValueError that names the file, and delete the file: it is not to be used."""
    try:
        yield
    except Exception as error:  # each exporter and runtime has its own types of error
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(f"{path.name} was not saved: {kind}{first_line(error)}") from error


def compare_predictions(
    probabilities: np.ndarray, expected: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    predicted = probabilities.argmax(axis=1)
    return {
        "largest_difference": float(np.abs(probabilities - expected).max()),
        "agreement": float(np.mean(predicted == expected.argmax(axis=1))),
        "accuracy": float(np.mean(predicted == labels)),
    }


def check_agreement(export_format: Format, difference: float, accuracy_loss: float) -> None:
    """Raise ValueError if a file's predictions differ by more than its format allows, or are NaN."""
    if export_format.max_accuracy_loss:
        if not accuracy_loss <= export_format.max_accuracy_loss:
            raise ValueError(
                f"its accuracy is {100 * accuracy_loss:.1f} percentage points below the "
                f"network's; at most {100 * export_format.max_accuracy_loss:.1f} are allowed."
            )
    elif not difference <= export_format.max_difference:
        raise ValueError(
            f"its probabilities differ from the network's by up to {difference:.1e}; at "
            f"most {export_format.max_difference:.0e} is allowed."
        )


def measure_speed(classifier: EmotionClassifier, faces: np.ndarray, n_runs: int = 200) -> dict[str, float]:
    """Measure the latency of one face (median and 99th percentile, in ms) and the throughput in batches."""
    single_ms = [time_prediction_ms(classifier, faces[:1]) for _ in range(n_runs + 10)][10:]
    batch = faces[:BENCHMARK_BATCH_SIZE]
    batch_ms = [time_prediction_ms(classifier, batch) for _ in range(6)][1:]
    return {
        "milliseconds": statistics.median(single_ms),
        "milliseconds_99": float(np.percentile(single_ms, 99)),
        "faces_per_second": 1000 * len(batch) / statistics.median(batch_ms),
    }


def time_prediction_ms(classifier: EmotionClassifier, faces: np.ndarray) -> float:
    start = time.perf_counter()
    classifier.predict_proba(faces)
    return 1000 * (time.perf_counter() - start)


def describe_file(path: Path) -> dict[str, Any]:
    """Return the size in bytes and the SHA-256 of a file, or of all files in a folder."""
    if path.is_dir():
        n_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return {"bytes": n_bytes, "folder_sha256": compute_folder_sha256(path)}
    with open(path, "rb") as file:
        return {"bytes": path.stat().st_size, "sha256": compute_sha256(file)}
