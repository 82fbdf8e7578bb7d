"""A Keras network as plain data and back, and what it answers; on any Keras backend.

    packed = {"name": str, "config": str (JSON), "weights": [arrays]}

Nothing of a network is pickled but its description and its numbers, so that the cache stays free of code.
"""

import zipfile
from pathlib import Path
from typing import Any

from pipeline.models import model_zoo
from pipeline.models.backend import keras

PackedModel = dict[str, Any]


def pack(model: keras.Model) -> PackedModel:
    """A network's layers and weights as plain data."""
    return {"name": model.name, "config": model.to_json(), "weights": model.get_weights()}


def unpack(packed: PackedModel) -> keras.Model:
    """The network, not compiled, from what `pack` made of it."""
    model = keras.models.model_from_json(packed["config"])
    model.set_weights(packed["weights"])
    return model


def load_model(path: str | Path) -> keras.Model:
    """The network in a .keras file, not compiled.

    A file that a model card names beside it must have the card's checksum. Raises ValueError for a file that is altered
    or is no network, FileNotFoundError where there is none.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there. It should be a model that step 13 saved, or one from models/."
        )
    model_zoo.verify_checksum(path)
    check_archive_size(path)
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever its reading of a foreign file runs into
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is no model that Keras can load: {reason}") from error


def check_archive_size(path: Path) -> None:
    """Raise ValueError for an archive that unpacks to more than a gigabyte and ten times its own size."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(MAX_ARCHIVE_BYTES, 10 * path.stat().st_size):
        raise ValueError(
            f"{path} would unpack to {unpacked / 1e9:.1f} GB, so it is not opened. It is no model of ours."
        )


def get_backbones(model: keras.Model) -> list[keras.Model]:
    """The networks that are layers of this network."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


MAX_ARCHIVE_BYTES = 1 << 30  # bytes, unpacked that small files may come to; weights hardly compress
