"""Record which network each file in results/ belongs to, so that two networks are never shown as one.

results/networks.json maps a file's name to the SHA-256 of the artifacts in data/ that identify its network and its
predictions. A file whose digests are not those of the network in data/ belongs to an earlier one.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from filelock import FileLock

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_json
from pipeline.workflow.steps import RESULTS

INDEX_NAME = "networks.json"
METRICS_NAME = "metrics.json"
NETWORK_ARTIFACTS = ("model", "trained_model", "history", "predictions")  # each file depends on one or more

Digests = dict[str, str]  # artifact: SHA-256


@contextmanager
def record_network(store: ArtifactStore, *names: str, digests: Digests | None = None) -> Iterator[None]:
    """Record for the files in results/ written within the block which network they belong to.

    They belong to none while they are written and after an error: a killed step leaves no wrong digest.

    Args:
        store: The artifacts that they are computed from have been read from it, or written to it.
        names: File names, relative to results/.
        digests: Of another network than the one in data/, such as that of a file in models/.
    """
    forget_network(store, *names)
    yield
    _update(store, names, digests or _collect_digests(store))


def forget_network(store: ArtifactStore, *names: str) -> None:
    """Record that it is not known which network files in results/ belong to."""
    _update(store, names, {})


def check_network(store: ArtifactStore, name: str) -> None:
    """Check that a file in results/ belongs to the network in data/.

    Where data/ holds no trained network, it is that of metrics.json.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it belongs to another network, to other predictions, or to an unknown network.
    """
    if not (RESULTS / name).exists():
        raise FileNotFoundError(f"results/ has no {name}.")
    index = _read_index()
    digests, current = index.get(name, {}), _current_digests(store, index)
    if not digests:
        raise ValueError(f"It is not known which network results/{name} belongs to")
    changed = [
        artifact for artifact in digests if digests[artifact] != current.get(artifact, digests[artifact])
    ]
    if changed == ["predictions"]:
        raise ValueError("From earlier predictions of this network")
    if changed and "trained_model" not in digests and "history" not in digests:
        raise ValueError("From a network that is not trained yet. Run: python3 Compiling_model.py")
    if changed:
        raise ValueError("From an earlier network")


def list_other_networks(store: ArtifactStore, names: Iterable[str]) -> list[str]:
    """Return those of the files in results/ that do not belong to the network in data/."""
    other = []
    for name in names:
        try:
            check_network(store, name)
        except ValueError:
            other.append(name)
    return other


def _collect_digests(store: ArtifactStore) -> Digests:
    """Return the digests of the network's artifacts that a step has read or written, and of their own inputs."""
    artifacts = store.manifest()["artifacts"]
    own = _select(store.inputs | store.outputs)
    inherited: Digests = {}
    for name in own:
        if artifacts.get(name, {}).get("sha256") == own[name]:
            inherited |= _select(artifacts[name]["inputs"])
    return inherited | own


def _current_digests(store: ArtifactStore, index: dict[str, Digests]) -> Digests:
    """Return the digests of the trained network in data/, of what it was trained from, and of its predictions."""
    try:
        artifacts = store.manifest()["artifacts"]
    except ValueError:
        artifacts = {}
    if "trained_model" not in artifacts and METRICS_NAME in index:
        return index[METRICS_NAME]
    current = {name: artifacts[name]["sha256"] for name in NETWORK_ARTIFACTS if name in artifacts}
    return current | _select(artifacts.get("trained_model", {}).get("inputs", {}))


def _select(digests: Digests) -> Digests:
    return {name: digests[name] for name in NETWORK_ARTIFACTS if name in digests}


def _read_index() -> dict[str, Digests]:
    """Return the index; without its entries if the file is missing or damaged, because files are then unknown."""
    try:
        index: Any = json.loads((RESULTS / INDEX_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(index, dict):
        return {}
    return {name: digests for name, digests in index.items() if isinstance(digests, dict)}


def _update(store: ArtifactStore, names: Iterable[str], digests: Digests) -> None:
    """Set the digests of files, and drop files that no longer exist."""
    store.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(store.folder / ".networks.lock"):
        index = _read_index() | dict.fromkeys(names, digests)
        existing = {name: index[name] for name in sorted(index) if index[name] and (RESULTS / name).exists()}
        write_json(RESULTS / INDEX_NAME, existing)
