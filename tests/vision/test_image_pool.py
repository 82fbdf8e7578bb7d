"""Worker processes classify images as this process does, and one that hangs, crashes or is killed costs one file."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import load_astronaut
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS
from pipeline.models import model_zoo
from pipeline.vision.image_classifier import ImageClassifier
from pipeline.vision.image_pool import ImagePool, WorkerSettings

resource = pytest.importorskip("resource", reason="Windows has no such limits and signals")
pytestmark = pytest.mark.slow

CROP = WorkerSettings({"faces": "crop"}, with_faces=True)


class MeanClassifier:
    """Answers each face with its mean gray level, shared by all emotions."""

    emotions = EMOTIONS

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        means = faces.reshape(len(faces), -1).mean(axis=1) * tta / 1000
        return np.repeat(means[:, np.newaxis], len(EMOTIONS), axis=1).astype(np.float32)


@pytest.fixture
def faces(tmp_path, monkeypatch, rng) -> list[Path]:
    """Eight files of noise, which are named relative to this folder."""
    monkeypatch.chdir(tmp_path)
    paths = [Path(f"{index}.png") for index in range(8)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(path)
    return paths


@pytest.mark.parametrize("n_workers", [1, 2])
def test_files_are_classified_as_in_this_process(faces, n_workers):
    Path("text.png").write_text("This is text.")
    paths = [*faces[:3], Path("text.png"), Path("missing.jpg"), *faces[3:]]
    classifier = ImageClassifier(MeanClassifier(), **CROP.options)
    with ImagePool(n_workers, CROP, MeanClassifier()) as pool:
        for path, future in [(path, pool.submit(path, None)) for path in paths]:
            try:
                expected = classifier.classify(path)
            except ValueError as error:
                assert str(future.exception(60)) == str(error) and type(future.exception()) is ValueError
                continue
            image = future.result(60)
            assert (image.rows, image.has_copy) == (expected.rows, False)
            for face, expected_face in zip(image.faces, expected.faces, strict=True):
                np.testing.assert_array_equal(face[0], expected_face[0])
                np.testing.assert_array_equal(face[1], expected_face[1])
    assert all(worker.process.poll() is not None for worker in pool.workers)


def wait_until_ready(pool: ImagePool, path: Path) -> None:
    pool.submit(path, None).result(60)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_a_worker_that_crashes_or_hangs_costs_one_file(faces, number):
    settings = WorkerSettings(CROP.options, time_limit_s=1.0)
    with ImagePool(1, settings, MeanClassifier()) as pool:
        wait_until_ready(pool, faces[0])
        process = pool.workers[0].process
        process.send_signal(signal.SIGSTOP)  # while it classifies the first of these
        futures = [pool.submit(path, None) for path in faces[1:4]]
        if number != signal.SIGSTOP:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
        error = futures[0].exception(60)
        assert type(error) is ValueError and str(error).startswith("1.png")
        assert ("1 seconds" in str(error)) == (number == signal.SIGSTOP)
        assert [future.result(60).rows[0]["file"] for future in futures[1:]] == ["2.png", "3.png"]


def test_a_file_system_without_space_is_no_fault_of_the_file(tmp_path):
    load_astronaut().save(tmp_path / "x.png")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # for the worker, which inherits it
    try:
        pool = ImagePool(1, WorkerSettings({}, str(model_zoo.DEFAULT_MODEL)), MeanClassifier())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pool:
        error = pool.submit(tmp_path / "x.png", tmp_path / "copy.png").exception(60)
    assert isinstance(error, OSError) and error.errno
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_ends_all_workers_at_once(faces, error):
    started = time.monotonic()
    with pytest.raises(error), ImagePool(2, CROP, MeanClassifier()) as pool:
        wait_until_ready(pool, faces[0])
        for worker in pool.workers:
            os.kill(worker.process.pid, signal.SIGSTOP)
        for path in faces:
            pool.submit(path, None)
        raise error
    assert time.monotonic() - started < 30
    assert all(worker.process.poll() is not None for worker in pool.workers)


def test_a_worker_that_cannot_start_is_an_error_of_the_run(faces):
    settings = WorkerSettings(CROP.options, model="missing.tflite")
    with ImagePool(1, settings, MeanClassifier()) as pool:
        assert isinstance(pool.submit(faces[0], None).exception(60), FileNotFoundError)
