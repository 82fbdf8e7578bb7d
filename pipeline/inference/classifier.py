"""Run a saved model in its own runtime: LiteRT and ONNX files without TensorFlow, Keras files with Keras.

    from pipeline.inference.classifier import EmotionClassifier

    classifier = EmotionClassifier("models/Compact_votes.tflite")
    probabilities = classifier.predict_proba(faces)  # faces (N, 48, 48) uint8 -> (N, K), of classifier.emotions

The first prediction of a LiteRT or ONNX file comes a quarter of a second after Python starts; importing TensorFlow
alone takes seconds. `python3 benchmarks/inference.py` measures it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, SIDE, Emotions
from pipeline.data.pixels import to_float
from pipeline.evaluation.tta import average_predictions
from pipeline.models import model_labels, model_zoo
from pipeline.workflow.logging import suppress_output
from pipeline.workflow.processes import count_cores

PredictFunction = Callable[[np.ndarray], np.ndarray]  # (N, 48, 48, 1) uint8 -> (N, K) float32 probabilities
Loader = Callable[[Path], tuple[PredictFunction, Emotions]]  # the emotions that the file names, perhaps none
MAX_BATCH_SIZE = 256  # faces; larger batches are no faster and need more memory
LITERT_BATCH_SIZE = 16  # faces; the layers' outputs for more do not fit into the processor's cache


class EmotionClassifier:
    """A classifier from a file that step 13 saved or that ships in models/, or from a Keras network.

    The file's suffix selects the runtime: .tflite (LiteRT), .onnx, .keras, .h5; a folder without a suffix is a
    SavedModel. Not thread-safe.

    Args:
        model: The file, the folder, or the network.
        trust: Load a SavedModel that no model card describes. It may do, while it is loaded, what its author wants.
        emotions: Names of a Keras network's outputs. A file's are those that it or else its model card names, or else
            FER2013's seven.

    Attributes:
        emotions: The names of the K emotions that it predicts, in the order of its outputs.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If the format's package is not installed.
        ValueError: If the file does not match its model card, is not a model, takes other inputs than 48x48 faces, or
            has another number of outputs than of emotions; or if it is a SavedModel of an unknown author.
    """

    def __init__(self, model: str | Path | Any, *, trust: bool = False, emotions: Emotions = EMOTIONS):
        if isinstance(model, str | Path):
            self.path = Path(model).expanduser()
            with suppress_output():  # LiteRT prints the kernels that it uses
                self._predict, named = self._load(trust)
                self.emotions: Emotions = named or model_zoo.read_card_labels(self.path) or EMOTIONS
                self._check_shapes()
        else:
            self.path, self.emotions = Path(model.name), emotions
            self._predict = wrap_keras_model(model)
            self._check_shapes()

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        """Predict probabilities (N, K) float32 in the order of `emotions`.

        Args:
            faces: (N, 48, 48) or (N, 48, 48, 1) uint8, from black 0 to white 255.
            tta: Views of each face that are averaged, one of pipeline.evaluation.tta.TTA_VIEWS.
        """
        if faces.dtype != np.uint8 or faces.shape[1:] not in ((SIDE, SIDE), (SIDE, SIDE, 1)):
            raise ValueError(
                f"The faces are {faces.dtype} of shape {faces.shape}, but must be uint8 of shape (N, {SIDE}, {SIDE})."
            )
        return average_predictions(self._predict_in_batches, faces.reshape(-1, SIDE, SIDE, 1), tta)

    def _load(self, trust: bool) -> tuple[PredictFunction, Emotions]:
        suffix = "" if self.path.is_dir() else self.path.suffix  # a folder's name may have a dot
        if suffix not in LOADERS:
            formats = ", ".join(filter(None, LOADERS))
            raise ValueError(f"{self.path} has no supported format. Use {formats} or a SavedModel folder.")
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path} does not exist. Pass a model that step 13 saved.")
        is_recorded = model_zoo.verify_checksum(self.path)
        if self.path.is_dir() and not (is_recorded or trust):
            raise ValueError(
                f"{self.path} has no model card with its checksum. A SavedModel can read and write files while it is "
                "loaded: use a .keras, .onnx or .tflite file, or set --trust if you know its author."
            )
        return LOADERS[suffix](self.path)

    def _check_shapes(self) -> None:
        try:
            probabilities = self._predict(np.zeros((2, SIDE, SIDE, 1), np.uint8))
        except Exception as error:  # each runtime has its own types of error
            raise ValueError(f"{self.path} does not take {SIDE}x{SIDE} faces: {first_line(error)}") from error
        if probabilities.shape != (2, len(self.emotions)):
            raise ValueError(
                f"{self.path} returns {probabilities.shape[1:]} for a face, but must return {len(self.emotions)} "
                f"probabilities: {', '.join(self.emotions)}. If it predicts other emotions, keep the model card of "
                "step 13, a .json file, beside it."
            )

    def _predict_in_batches(self, faces: np.ndarray) -> np.ndarray:
        faces = np.ascontiguousarray(faces)
        if len(faces) <= MAX_BATCH_SIZE:
            return self._predict(faces) if len(faces) else np.empty((0, len(self.emotions)), np.float32)
        starts = range(0, len(faces), MAX_BATCH_SIZE)
        return np.concatenate([self._predict(faces[start : start + MAX_BATCH_SIZE]) for start in starts])


def load_litert(path: Path) -> tuple[PredictFunction, Emotions]:
    """Return a function that predicts on all processor cores, with an interpreter for each."""
    content = path.read_bytes()
    interpreters = [open_interpreter(path, content)]

    def predict(faces: np.ndarray) -> np.ndarray:
        batches = [
            faces[start : start + LITERT_BATCH_SIZE] for start in range(0, len(faces), LITERT_BATCH_SIZE)
        ]
        n_workers = min(len(batches), count_cores())
        if n_workers == 1:
            return interpreters[0](faces)
        while len(interpreters) < n_workers:
            with suppress_output():
                interpreters.append(open_interpreter(path, content))

        def predict_share(worker: int) -> list[np.ndarray]:
            return [interpreters[worker](batch) for batch in batches[worker::n_workers]]

        with ThreadPoolExecutor(n_workers) as pool:  # not kept, because its threads would not survive a fork
            shares = list(pool.map(predict_share, range(n_workers)))
        return np.concatenate([shares[n % n_workers][n // n_workers] for n in range(len(batches))])

    return predict, model_labels.read_litert_labels(path)


def open_interpreter(path: Path, content: bytes) -> PredictFunction:
    """Return a function that predicts on one processor core with the LiteRT model in a file's content."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(f"{path.name} needs LiteRT: python3 -m pip install ai-edge-litert") from error
    try:
        interpreter = Interpreter(model_content=content)
    except ValueError as error:
        raise ValueError(f"{path} is not a LiteRT model, or is truncated: {first_line(error)}") from error
    (input_details,), (output_details,) = interpreter.get_input_details(), interpreter.get_output_details()
    batch_size = 0

    def predict(faces: np.ndarray) -> np.ndarray:
        nonlocal batch_size
        if len(faces) != batch_size:
            interpreter.resize_tensor_input(input_details["index"], faces.shape)
            interpreter.allocate_tensors()
            batch_size = len(faces)
        interpreter.set_tensor(input_details["index"], faces)
        interpreter.invoke()
        return interpreter.get_tensor(output_details["index"])

    return predict


def load_onnx(path: Path) -> tuple[PredictFunction, Emotions]:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"{path.name} needs ONNX Runtime: python3 -m pip install onnxruntime") from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of its own for each kind of failure
        raise ValueError(f"{path} is not an ONNX model, or is truncated: {first_line(error)}") from error
    input_name = session.get_inputs()[0].name
    labels = session.get_modelmeta().custom_metadata_map.get("labels", "")
    return lambda faces: session.run(None, {input_name: faces})[0], tuple(filter(None, labels.split(",")))


def load_keras(path: Path) -> tuple[PredictFunction, Emotions]:
    from pipeline.models import serialization

    return wrap_keras_model(serialization.load_model(path)), model_labels.read_keras_labels(path)


def wrap_keras_model(model: Any) -> PredictFunction:
    """Return a function that predicts with a Keras network, without the data pipeline that `model.predict` builds."""
    return lambda faces: model.predict_on_batch(to_float(faces))


def load_saved_model(path: Path) -> tuple[PredictFunction, Emotions]:
    import tensorflow as tf

    try:
        saved_model = tf.saved_model.load(path)
        serve = saved_model.serve
    except (OSError, AttributeError) as error:
        raise ValueError(f"{path} is not a SavedModel: {first_line(error)}") from error

    def predict(faces: np.ndarray, saved_model: Any = saved_model) -> np.ndarray:  # it holds the weights
        return serve(faces).numpy()

    return predict, model_labels.read_saved_model_labels(path)


LOADERS: dict[str, Loader] = {
    ".tflite": load_litert,
    ".onnx": load_onnx,
    ".keras": load_keras,
    ".h5": load_keras,
    "": load_saved_model,
}


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
