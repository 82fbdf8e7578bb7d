"""Classify image files for another process, so that a file that hangs or crashes a decoder costs that file only.

It reads from its input a line of settings and then a line for each file, and writes to its output a line with the rows
of each file. Where it has no classifier of its own, it sends the cropped faces and is answered with the probabilities.
"""

import contextlib
import faulthandler
import os
import sys
from pathlib import Path

from pipeline.workflow.errors import find_machine_error

import cv2
import numpy as np

from pipeline.data.fer2013 import Emotions
from pipeline.vision.image_classifier import ClassifiedImage, ImageClassifier
from pipeline.vision.messages import describe_error, receive, send
from pipeline.vision.recognition import Classifier
from pipeline.workflow.processes import ignore_signals

OOM_SCORE = b"500"  # of 1000: memory that the system lacks is taken from this process, which costs one file


class RemoteClassifier:
    """The classifier of the process that reads this one's output, with the names of its K emotions."""

    def __init__(self, emotions: Emotions):
        self.emotions = emotions

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        """Return the probabilities (N, K) of faces (N, 48, 48) uint8."""
        send(sys.stdout.buffer, {"tta": tta}, faces)
        return np.array(receive(sys.stdin.buffer)[0]["probabilities"], np.float32)


def create_classifier(model: str | None, emotions: Emotions) -> Classifier:
    """Return the classifier of a file, or the one of the other process, which predicts `emotions`."""
    if model is None:
        return RemoteClassifier(emotions)
    from pipeline.inference.classifier import EmotionClassifier

    return EmotionClassifier(model)


def classify(classifier: ImageClassifier, path: Path, *outputs: Path | None) -> ClassifiedImage:
    """Classify a file as ImageClassifier does; all that its content may raise becomes a ValueError."""
    try:
        return classifier.classify(path, *outputs)
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # of the libraries that decode the file, or of OpenCV
        if machine_error := find_machine_error(error):
            raise machine_error from error
        raise ValueError(f"{path} cannot be classified ({type(error).__name__}: {error}).") from error


def work() -> None:
    """Classify files until the input ends."""
    settings, _ = receive(sys.stdin.buffer)
    try:
        os.chdir(settings["folder"])
        cv2.setNumThreads(settings["n_threads"])
        loaded = create_classifier(settings["model"], tuple(settings["emotions"]))
        classifier = ImageClassifier(loaded, **settings["options"])
    except Exception as error:
        send(sys.stdout.buffer, describe_error(error))
        return
    send(sys.stdout.buffer, {})
    while True:
        task, _ = receive(sys.stdin.buffer)
        outputs = [Path(task[name]) if task[name] else None for name in ("copy", "explanation")]
        # The other process ends this one earlier, unless it has been killed.
        faulthandler.dump_traceback_later(2 * settings["time_limit_s"], exit=True)
        try:
            image = classify(classifier, Path(task["path"]), *outputs)
        except (ValueError, OSError, MemoryError) as error:
            send(sys.stdout.buffer, describe_error(error))
        else:
            faces = image.faces if settings["with_faces"] else []
            crops = np.array([crop for crop, _ in faces], np.uint8)
            probabilities = [probabilities.tolist() for _, probabilities in faces]
            message = {"rows": image.rows, "has_copy": image.has_copy, "probabilities": probabilities}
            send(sys.stdout.buffer, message, crops)
        faulthandler.cancel_dump_traceback_later()


def main() -> None:
    """Work until the other process ends, or ends this one."""
    ignore_signals()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(OOM_SCORE)
    with contextlib.suppress(EOFError, BrokenPipeError):
        work()


if __name__ == "__main__":
    main()
