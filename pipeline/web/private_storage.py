"""Has Gradio keep to itself, if it is imported after this.

Left alone it reports to its makers, and keeps what is uploaded in a folder that others may look into.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

PRIVATE_DIR = Path(
    tempfile.mkdtemp(prefix="faces-")
)  # for all that is written; only this user may look into it

atexit.register(shutil.rmtree, PRIVATE_DIR, ignore_errors=True)
os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = str(PRIVATE_DIR)
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
