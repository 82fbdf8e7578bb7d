"""Step 1: import every library for real, and say which device computes.

Reads nothing. Writes data/environment (names, versions, devices).
Run:    python Import_Libraries.py
Expect: a table of names and versions in some ten seconds; most of it is TensorFlow starting.
"""

import importlib
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version

from pipeline.workflow.cli import run_step

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.logging import suppress_output

LIBRARIES = {
    # what is imported: what it is called in the Python registry
    "numpy": "numpy",
    "pandas": "pandas",
    "matplotlib": "matplotlib",
    "seaborn": "seaborn",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "jinja2": "jinja2",
    "tyro": "tyro",
    "tqdm": "tqdm",
    "filelock": "filelock",
    "tensorflow": "tensorflow",
    "keras": "keras",
}


@dataclass
class Settings:
    need_gpu: bool = False  # True: stop here where no GPU or TPU computes


def main(settings: Settings, store: ArtifactStore) -> None:
    versions = {"Python": platform.python_version()}
    for module, package in LIBRARIES.items():
        versions[package] = import_version(module, package)
    for package, number in versions.items():
        print(f"  {package:<24}{number}")

    import keras

    backend = keras.backend.backend()
    devices = devices_of(backend)
    print(f"  Keras computes with {backend} on: {', '.join(devices)}; {os.cpu_count()} processor cores")
    if settings.need_gpu and not any(
        "GPU" in device.upper() or "TPU" in device.upper() for device in devices
    ):
        raise ValueError(f"need_gpu is set, but {backend} sees only {', '.join(devices)}.")
    store.write(
        environment={
            "versions": versions,
            "backend": backend,
            "devices": devices,
            "system": platform.platform(),
        }
    )


def import_version(module: str, package: str) -> str:
    """Import a library and return its version; raises ValueError with the command that installs it."""
    try:
        with suppress_output():
            importlib.import_module(module)
    except (ImportError, ValueError) as error:
        lacking = getattr(error, "name", None) or module
        if module == "keras" and lacking not in ("keras", "tensorflow"):
            backend = os.environ.get("KERAS_BACKEND", "of your keras.json")
            raise ValueError(
                f"Keras cannot compute with the backend {backend} ({error}). Unset KERAS_BACKEND."
            ) from error
        raise ValueError(
            f"{package} is missing or broken ({error}). Install it with: python -m pip install {package}   "
            "or everything at once with: python run.py"
        ) from error
    return version(package)


def devices_of(backend: str) -> list[str]:
    """What computes: for example ["cpu:0"], or ["gpu:0", "gpu:1"]."""
    import keras

    if backend == "torch":  # keras.distribution knows nothing of PyTorch's devices
        import torch

        return [f"gpu:{number}" for number in range(torch.cuda.device_count())] or ["cpu:0"]
    return [str(device).lower() for device in keras.distribution.list_devices()]


if __name__ == "__main__":
    run_step(main, Settings)
