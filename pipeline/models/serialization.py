"""Convert Keras networks to plain data and back, and save and load model files; on any Keras backend.

    packed = {"name": str, "config": str (JSON), "weights": list of arrays}

A packed network holds no pickled code, only its configuration and weights, so that artifacts stay plain data.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.models import model_labels, model_zoo
from pipeline.models.backend import keras
from pipeline.models.file_limits import check_file

PackedModel = dict[str, Any]

SUFFIXES = (".keras", ".h5")  # of the files that Keras loads
LOWEST_KERAS = "3.12.1"  # the lowest version in which saved files are known to load; the model cards state it
# Config entries that Keras 3.13 to 3.15 added, with their defaults. Older versions refuse a config that has them.
NEW_CONFIG_DEFAULTS = {
    "input_axes": None,
    "output_axes": None,
    "quantization_config": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
}


def pack(model: keras.Model) -> PackedModel:
    """Convert a network to plain data, without the optimizer, loss and metrics that it may be compiled with."""
    config = json.dumps(_remove_compile_config(json.loads(model.to_json())))
    return {"name": model.name, "config": config, "weights": model.get_weights()}


def unpack(packed: PackedModel) -> keras.Model:
    """Rebuild the network, not compiled, from the result of `pack`."""
    model = keras.models.model_from_json(packed["config"])
    model.set_weights(packed["weights"])
    return model


def save_model(model: keras.Model, path: str | Path, emotions: Emotions = EMOTIONS) -> None:
    """Save a network as .keras or .h5, compiled if it is, so that older versions of Keras can load it too.

    Config entries that newer versions of Keras added are left out where they have their default value. The names of
    the outputs, `emotions`, are stored in the file's metadata.
    """
    path = Path(path)
    model.save(str(path))
    if zipfile.is_zipfile(path):
        _edit_archive(path, model, emotions)
    else:
        _edit_hdf5(path, emotions)


def load_model(path: str | Path) -> keras.Model:
    """Load the network, not compiled, from a .keras or .h5 file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file has another suffix, does not match its model card's checksum, is not a Keras model, or
            is a zip bomb.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Pass a model that step 13 saved, or one from models/."
        )
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} is not a Keras model, whose name ends with {' or '.join(SUFFIXES)}.")
    model_zoo.verify_checksum(path)
    check_file(path)
    try:
        return keras.models.load_model(str(path), compile=False)
    except Exception as error:  # Keras raises many types of error for an invalid file
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is not a model that Keras can load: {reason}") from error


def initialize_weights(model: keras.Model, path: str | Path, emotions: Emotions = EMOTIONS) -> None:
    """Set the weights of a network to those of a saved network of the same architecture.

    Raises:
        FileNotFoundError, ValueError: As load_model does; ValueError also for other shapes of the weights, and for a
            network that predicts other emotions.
    """
    saved = load_model(path)
    model_labels.check_labels(Path(path).expanduser(), emotions)
    shapes, saved_shapes = ([weight.shape for weight in network.weights] for network in (model, saved))
    if shapes != saved_shapes:
        raise ValueError(
            f"{path} holds {saved.name} with {len(saved_shapes)} arrays of weights, which do not fit the "
            f"{len(shapes)} of {model.name}. Build the same network with step 7 first."
        )
    model.set_weights(saved.get_weights())


def get_backbones(model: keras.Model) -> list[keras.Model]:
    """Return the networks that are layers of this network."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


def _remove_compile_config(config: Any) -> Any:
    """Return a Keras config, at any depth, without what networks are compiled with."""
    if isinstance(config, list):
        return [_remove_compile_config(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {key: _remove_compile_config(value) for key, value in config.items() if key != "compile_config"}


def _edit_archive(path: Path, model: keras.Model, emotions: Emotions) -> None:
    """Remove the new defaults from a .keras file's config.json, complete its optimizer's variables, add the labels."""
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in members:
            if info.filename == "config.json":
                content = _simplify_json(content)
            elif info.filename == model_labels.METADATA_FILE:
                labels = {model_labels.METADATA_KEY: emotions}
                content = json.dumps(json.loads(content) | labels, ensure_ascii=False).encode("utf-8")
            elif info.filename == "model.weights.h5" and model.compiled:
                content = _add_initial_variables(content, model)
            archive.writestr(info, content)


def _add_initial_variables(weights: bytes, model: keras.Model) -> bytes:
    """Add the variables that the network's optimizer will start with, all zero, to the content of an HDF5 file.

    Without them, Keras warns on loading that their number differs. A dataset that is never written reads as zeros and
    takes no space.
    """
    import h5py

    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    optimizer.build(model.trainable_variables)
    buffer = io.BytesIO(weights)
    with h5py.File(buffer, "r+") as file:
        saved = file["optimizer/vars"]
        for index in range(len(saved), len(optimizer.variables)):
            variable = optimizer.variables[index]
            saved.create_dataset(str(index), variable.shape, variable.dtype)
    return buffer.getvalue()


def _edit_hdf5(path: Path, emotions: Emotions) -> None:
    """Remove the new defaults from the configurations in an .h5 file, of network and training, and add the labels."""
    import h5py

    with h5py.File(path, "r+") as file:
        for name in {"model_config", "training_config"} & file.attrs.keys():
            file.attrs[name] = _simplify_json(file.attrs[name])
        # Keras cannot train a network after loading these, the state of an optimizer that has not been used.
        file.pop("optimizer_weights", None)
        file.attrs[model_labels.METADATA_KEY] = list(emotions)


def _simplify_json(config: str | bytes) -> bytes:
    return json.dumps(_remove_new_defaults(json.loads(config))).encode("utf-8")


def _remove_new_defaults(config: Any) -> Any:
    """Return a Keras config, at any depth, without the entries of NEW_CONFIG_DEFAULTS that have their default."""
    if isinstance(config, list):
        return [_remove_new_defaults(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: _remove_new_defaults(value)
        for key, value in config.items()
        if key not in NEW_CONFIG_DEFAULTS or value != NEW_CONFIG_DEFAULTS[key]
    }
