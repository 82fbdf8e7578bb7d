"""Keep Gradio's files private and its telemetry off."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def create_private_dir() -> Path:
    """Create a folder that only this user can read, and make Gradio and tempfile write there.

    Call it before the first import of Gradio, which reads these environment variables. By default Gradio reports its
    usage and stores uploads in a folder that other users can read. The folder is deleted when Python exits.
    """
    folder = Path(tempfile.mkdtemp(prefix="faces-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tempfile.tempdir = str(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    return folder
