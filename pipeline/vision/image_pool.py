"""Classify image files in worker processes, so that one that hangs or crashes a decoder costs that file only.

Each process has a face detector and, for a LiteRT file, an interpreter of its own. The processes of concurrent.futures
all end when one of them dies, have no time limit, and send pickles.
"""

import contextlib
import os
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import numpy as np

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.vision import image_worker
from pipeline.vision.image_classifier import ClassifiedImage
from pipeline.vision.messages import receive, send, to_error
from pipeline.vision.recognition import Classifier
from pipeline.workflow.steps import ROOT

START_TIMEOUT_S = 300.0  # of a process, which takes less than a second on an idle machine


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker process needs to know.

    Attributes:
        options: arguments of ImageClassifier, except for the classifier.
        model: file of the classifier that the process loads; None: it asks this process for each face.
        n_threads: of OpenCV in it.
        time_limit_s: for each file.
        with_faces: whether to return the crops and their probabilities, too.
        emotions: that the classifier predicts.
    """

    options: dict[str, Any]
    model: str | None = None
    n_threads: int = 1
    time_limit_s: float = 60.0
    with_faces: bool = False
    emotions: Emotions = EMOTIONS


class ImageWorker:
    """A process that classifies image files, and another one after it has ended. Not thread-safe, except for `kill`.

    Args:
        settings: of the process.
        classifier: of the faces for which the process asks.
    """

    def __init__(self, settings: WorkerSettings, classifier: Classifier):
        self.settings, self.classifier = settings, classifier
        self.lock = threading.Lock()
        self.is_killed = False
        self._start()

    def classify(
        self, path: Path, copy_path: Path | None, explanation_path: Path | None = None
    ) -> ClassifiedImage:
        """Classify a file, as ImageClassifier does.

        Raises:
            ValueError: the file cannot be read, takes longer than the time limit, or ends the process.
            OSError, MemoryError: the disk is full, memory is short, or the process cannot be started.
            ImportError: what the process needs is not installed.
        """
        if not self.is_ready:
            self._prepare()
        task = {
            "path": str(path),
            "copy": str(copy_path) if copy_path else None,
            "explanation": str(explanation_path) if explanation_path else None,
        }
        try:
            message, crops = self._request(task, self.settings.time_limit_s)
        except EOFError as error:
            reason = "a decoder crashed or took too much memory"
            if self.has_timed_out:
                reason = f"it takes longer than {self.settings.time_limit_s:g} seconds"
            raise ValueError(f"{path} cannot be classified ({reason}).") from error
        finally:
            if self.has_ended:
                self.close()
                self._start()
        probabilities = np.array(message["probabilities"], np.float32)
        faces = list(zip(crops, probabilities, strict=True))
        return ClassifiedImage(message["rows"], bool(message["has_copy"]), faces)

    def kill(self) -> None:
        """End the process for good; a thread that waits for it gets an error."""
        with self.lock:
            self.is_killed = True
            self.process.kill()

    def close(self) -> None:
        """End the process, wait for its end, and close its streams."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            with contextlib.suppress(OSError):  # what is still to be written
                stream.close()

    def _start(self) -> None:
        command = [sys.executable, "-m", image_worker.__name__]
        with self.lock:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self.is_ready = self.has_ended = self.has_timed_out = False
            if self.is_killed:
                self.process.kill()

    def _prepare(self) -> None:
        """Wait until the process has loaded what it needs."""
        message = {"folder": os.getcwd(), **asdict(self.settings)}
        try:
            self._request(message, START_TIMEOUT_S)
        except EOFError as error:
            raise OSError("The worker process for images does not start.") from error
        self.is_ready = True

    def _request(self, message: dict[str, Any], timeout_s: float) -> tuple[dict[str, Any], np.ndarray]:
        """Send a message, and return the answer.

        Raises:
            EOFError: the process has ended, or did not answer in time.
            ValueError, OSError, MemoryError, ImportError: the answer is an error.
        """
        timer = threading.Timer(timeout_s, self._give_up)
        timer.start()
        try:
            answer, pixels = self._exchange(message)
        except (EOFError, OSError, ValueError) as error:
            self.has_ended = True
            raise EOFError from error
        finally:
            timer.cancel()
        if "error" in answer:
            raise to_error(answer)
        return answer, pixels

    def _exchange(self, message: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """Send a message, classify the faces that the process asks for, and return the answer."""
        send(self.process.stdin, message)
        answer, pixels = receive(self.process.stdout)
        while "tta" in answer:
            probabilities = self.classifier.predict_proba(pixels, int(answer["tta"]))
            send(self.process.stdin, {"probabilities": probabilities.tolist()})
            answer, pixels = receive(self.process.stdout)
        return answer, pixels

    def _give_up(self) -> None:
        self.has_ended = self.has_timed_out = True
        self.process.kill()


class ImagePool:
    """Worker processes that classify image files; a context manager that ends them.

    Args:
        n_workers: number of processes.
        settings: of each of them.
        classifier: of the faces for which they ask; it is used by one thread at a time.
    """

    def __init__(self, n_workers: int, settings: WorkerSettings, classifier: Classifier):
        self.workers = [ImageWorker(settings, classifier) for _ in range(n_workers)]
        self.idle: SimpleQueue[ImageWorker] = SimpleQueue()
        for worker in self.workers:
            self.idle.put(worker)
        self.threads = ThreadPoolExecutor(max(1, n_workers))

    def submit(
        self, path: Path, copy_path: Path | None, explanation_path: Path | None = None
    ) -> "Future[ClassifiedImage]":
        """Classify a file as soon as a worker is idle; the result raises what ImageWorker.classify does."""
        return self.threads.submit(self._classify, path, copy_path, explanation_path)

    def _classify(self, path: Path, copy_path: Path | None, explanation_path: Path | None) -> ClassifiedImage:
        worker = self.idle.get()
        try:
            return worker.classify(path, copy_path, explanation_path)
        finally:
            self.idle.put(worker)

    def __enter__(self) -> "ImagePool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.kill()
        self.threads.shutdown(cancel_futures=True)
        for worker in self.workers:
            worker.close()
