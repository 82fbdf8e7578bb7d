"""Classify images in this process instead of worker processes, whose start takes half a second each."""

from concurrent.futures import Future
from pathlib import Path

from pipeline.vision.image_classifier import ClassifiedImage, ImageClassifier
from pipeline.vision.image_pool import ImageWorker, WorkerSettings
from pipeline.vision.recognition import Classifier


class SerialPool:
    """An ImagePool without processes."""

    def __init__(self, n_workers: int, settings: WorkerSettings, classifier: Classifier):
        self.workers: list[ImageWorker] = []
        self.classifier = ImageClassifier(classifier, **settings.options)

    def submit(self, path: Path, *outputs: Path | None) -> "Future[ClassifiedImage]":
        future: Future[ClassifiedImage] = Future()
        try:
            future.set_result(self.classifier.classify(path, *outputs))
        except Exception as error:
            future.set_exception(error)
        return future

    def __enter__(self) -> "SerialPool":
        return self

    def __exit__(self, *error: object) -> None:
        pass
