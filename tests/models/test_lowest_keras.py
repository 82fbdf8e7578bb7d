"""Saved files load, with equal predictions, in the lowest version of Keras that pyproject.toml allows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT

from pipeline.models import model_zoo, serialization
from pipeline.models.backend import keras
from pipeline.models.residual import build_residual_network

pytestmark = pytest.mark.slow

LOAD = """
import sys, warnings
import keras, numpy as np
warnings.filterwarnings("error", "Skipping variable")
faces = np.load(sys.argv[1])
assert keras.__version__ == sys.argv[2], keras.__version__
predictions = {}
for path in sys.argv[4:]:
    model = keras.models.load_model(path)
    predictions[path] = keras.ops.convert_to_numpy(model(faces))
    assert model.compiled, path
    if model.count_params() < 200_000:  # fitting the larger networks takes long
        model.jit_compile = False
        model.fit(faces, predictions[path], verbose=0)
np.savez(sys.argv[3], **predictions)
"""


def read_lowest_versions() -> list[str]:
    return re.findall(r'"keras>=([\d.]+)', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lowest_keras(tmp_path_factory) -> Path:
    """A folder with that version of Keras alone; the other packages are those of this environment."""
    folder = tmp_path_factory.mktemp("keras")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    result = subprocess.run(
        [*command, f"keras=={serialization.LOWEST_KERAS}"], capture_output=True, text=True
    )
    if result.returncode:
        pytest.skip(f"Keras {serialization.LOWEST_KERAS} cannot be installed: {result.stderr.strip()}")
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """The shipped models, and a network with the layers that newer versions extended, saved with each optimizer."""
    folder = tmp_path_factory.mktemp("saved")
    optimizers = (
        keras.optimizers.Adam(0.01),
        keras.optimizers.AdamW(0.01, weight_decay=0.05),
        keras.optimizers.SGD(0.01, 0.9, nesterov=True),
    )
    model = build_residual_network("Small", (48, 48, 1), filters=(4, 8), blocks=(1, 1), dropout=0.1)
    saved = []
    for optimizer in optimizers:
        model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        for suffix in (".keras", ".h5"):
            saved.append(folder / f"{optimizer.name}{suffix}")
            serialization.save_model(model, saved[-1])
    return [*saved, *sorted(model_zoo.MODELS_DIR.glob("*.keras"))]


def test_the_stated_version_is_the_lowest_that_is_allowed():
    versions = [tuple(map(int, version.split("."))) for version in read_lowest_versions()]
    assert tuple(map(int, serialization.LOWEST_KERAS.split("."))) == min(versions)


@pytest.mark.long
def test_saved_and_shipped_files_load_in_the_lowest_version(lowest_keras, files, tmp_path):
    faces = model_zoo.load_reference_faces()
    np.save(tmp_path / "faces.npy", faces)
    environment = os.environ | {"PYTHONPATH": str(lowest_keras), "KERAS_BACKEND": "tensorflow"}
    arguments = (tmp_path / "faces.npy", serialization.LOWEST_KERAS, tmp_path / "predictions.npz", *files)
    result = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    predictions = np.load(tmp_path / "predictions.npz")
    for path in files:
        expected = keras.ops.convert_to_numpy(serialization.load_model(path)(faces))
        np.testing.assert_allclose(predictions[str(path)], expected, atol=1e-5, err_msg=path.name)
