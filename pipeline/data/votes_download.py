"""Download the votes of FER+ from its public repository, and check that they are the file that is expected."""

import hashlib
import http.client
import urllib.request
from pathlib import Path

from pipeline.workflow.atomic_io import atomic_write

URL = "https://raw.githubusercontent.com/microsoft/FERPlus/master/fer2013new.csv"
# Of the file's 1,602,762 bytes. Public projects that pin the same file have the same value.
SHA256 = "9206e20d62f56475939f516847d61753e4860caeac9718b560129541b776fc2c"
MAX_BYTES = 10_000_000
TIMEOUT_S = 30


def download_votes(path: Path, url: str = URL, sha256: str = SHA256) -> Path:
    """Download FER+'s fer2013new.csv to `path`, unless it is there, and return `path`.

    Raises:
        ValueError: If it cannot be downloaded, or the content, also of an existing file, is another one.
    """
    if path.exists():
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise ValueError(
                f"{path} is there, but is not the file that would be downloaded. Move it away, or use it with: "
                f"python3 Load_dataSets.py --votes {path.name}"
            )
        return path
    remedy = "Download fer2013new.csv from https://github.com/microsoft/FERPlus manually, and pass its path."
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            content = response.read(MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(
            f"The votes of FER+ could not be downloaded from {url} ({error}). {remedy}"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{url} has another content than expected: its SHA-256 does not match. {remedy}")
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(content)
    return path
