"""A saved network, ready to answer: LiteRT and ONNX files without TensorFlow, Keras files with it.

    from pipeline.runtime import Recognizer

    classifier = Recognizer("models/Compact.tflite")
    probabilities = classifier.predict_proba(faces)  # faces (N, 48, 48) uint8 -> (N, 7), in the order of EMOTIONS

The first answer from a LiteRT or ONNX file comes a quarter of a second after Python starts; TensorFlow alone takes
seconds to import. `python benchmarks/inference.py` measures it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, SIDE
from pipeline.evaluation.tta import average_predictions
from pipeline.models import model_zoo
from pipeline.workflow.logging import suppress_output

PredictFunction = Callable[
    [np.ndarray], np.ndarray
]  # faces (N, 48, 48, 1) uint8 -> probabilities (N, 7) float32
MAX_BATCH_SIZE = 256  # faces at a time: more bring no speed, only memory


class EmotionClassifier:
    """The emotions of faces, from a file that step 13 saved or that ships in models/, or from a Keras network.

    A file's ending says what it is: .tflite (LiteRT), .onnx, .keras, .h5; none, the folder of a SavedModel. Raises
    FileNotFoundError where there is none, ImportError where the format's package is missing, and ValueError for a file
    that is altered, is no network, or takes anything but faces of 48x48. To be used by one thread at a time.
    """

    def __init__(self, model: str | Path | Any):
        if isinstance(model, str | Path):
            self.path = Path(model).expanduser()
            with suppress_output():  # LiteRT announces its kernels
                self._answer = self._load()
                self._refuse_others()
        else:
            self.path = Path(model.name)
            self._answer = wrap_keras_model(model)
            self._refuse_others()

    def _load(self) -> PredictFunction:
        if self.path.suffix not in LOADERS:
            raise ValueError(f"{self.path} is none of the formats that can be run: {', '.join(LOADERS)}.")
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path} is not there. It should be a model that step 13 saved.")
        model_zoo.verify_checksum(self.path)
        return LOADERS[self.path.suffix](self.path)

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        """Probabilities (N, 7) float32 of gray faces (N, 48, 48) or (N, 48, 48, 1), uint8 from black 0 to white 255.

        views: how many variants of each face are averaged over, as `pipeline.views` has them.
        """
        if faces.dtype != np.uint8 or faces.shape[1:] not in ((SIDE, SIDE), (SIDE, SIDE, 1)):
            raise ValueError(
                f"The faces are {faces.dtype} of shape {faces.shape}, but should be uint8 of shape (N, {SIDE}, {SIDE})."
            )
        return average_predictions(self._answer_in_batches, faces.reshape(-1, SIDE, SIDE, 1), tta)

    def _answer_in_batches(self, faces: np.ndarray) -> np.ndarray:
        faces = np.ascontiguousarray(faces)
        if len(faces) <= MAX_BATCH_SIZE:
            return self._answer(faces) if len(faces) else np.empty((0, len(EMOTIONS)), np.float32)
        return np.concatenate(
            [
                self._answer(faces[start : start + MAX_BATCH_SIZE])
                for start in range(0, len(faces), MAX_BATCH_SIZE)
            ]
        )

    def _refuse_others(self) -> None:
        try:
            answer = self._answer(np.zeros((2, SIDE, SIDE, 1), np.uint8))
        except Exception as error:  # each engine has errors of its own
            raise ValueError(
                f"{self.path} does not take faces of {SIDE}x{SIDE}: {first_line(error)}"
            ) from error
        if answer.shape != (2, len(EMOTIONS)):
            raise ValueError(
                f"{self.path} answers {answer.shape[1:]} for a face, not {len(EMOTIONS)} probabilities."
            )


def load_litert(path: Path) -> PredictFunction:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(f"{path.name} needs LiteRT: python -m pip install ai-edge-litert") from error
    try:
        interpreter = Interpreter(model_path=str(path))
    except ValueError as error:
        raise ValueError(f"{path} is no LiteRT model, or is cut short: {first_line(error)}") from error
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    faces_at_once = 0

    def answer(faces: np.ndarray) -> np.ndarray:
        nonlocal faces_at_once
        if len(faces) != faces_at_once:
            interpreter.resize_tensor_input(taken["index"], faces.shape)
            interpreter.allocate_tensors()
            faces_at_once = len(faces)
        interpreter.set_tensor(taken["index"], faces)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return answer


def load_onnx(path: Path) -> PredictFunction:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"{path.name} needs ONNX Runtime: python -m pip install onnxruntime") from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # one class for each way to fail, all their own
        raise ValueError(f"{path} is no ONNX model, or is cut short: {first_line(error)}") from error
    name = session.get_inputs()[0].name
    return lambda faces: session.run(None, {name: faces})[0]


def load_keras(path: Path) -> PredictFunction:
    from pipeline.models import serialization

    return wrap_keras_model(serialization.load_model(path))


def wrap_keras_model(model: Any) -> PredictFunction:
    """What a Keras network answers; by its compiled function for a batch, because `predict` sets up a data pipeline."""
    return lambda faces: model.predict_on_batch(np.divide(faces, 255.0, dtype=np.float32))


def load_saved_model(path: Path) -> PredictFunction:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(path)
        serve = loaded.serve
    except (OSError, AttributeError) as error:
        raise ValueError(f"{path} is no SavedModel: {first_line(error)}") from error
    # `loaded` holds the weights, and must live as long as the answer does.
    return lambda faces, loaded=loaded: serve(faces).numpy()


LOADERS = {
    ".tflite": load_litert,
    ".onnx": load_onnx,
    ".keras": load_keras,
    ".h5": load_keras,
    "": load_saved_model,
}


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
