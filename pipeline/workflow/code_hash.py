"""How a step is started: its flags, its lock, its account of what it did, and its errors in one sentence."""

import hashlib

from pipeline.workflow.steps import ROOT


def hash_step_code(script: str) -> str:
    """A hash of the script and of all of pipeline/, by which run.py --resume knows that a step was edited."""
    sha256 = hashlib.sha256()
    for path in [ROOT / script, *sorted((ROOT / "pipeline").rglob("*.py"))]:
        sha256.update(path.read_bytes())
    return sha256.hexdigest()
