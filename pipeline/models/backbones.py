"""Backbones trained on ImageNet, for Transfer_Learning_model.py.

Their weights come from Keras's own download, from a file, or from a package of the Python registry that carries
torchvision's MobileNetV2: that one needs no other server, and no PyTorch.
"""

from pathlib import Path

from pipeline.models.backend import keras
from pipeline.models.torch_weights import (
    mobilenet_weights,
    packaged_file,
    read_torch_tensors,
    torchvision_mobilenet,
)

layers = keras.layers

MIN_SIDE = 32  # pixels: the backbones halve a picture five times
# Of the pictures that torchvision's networks were trained on, red, green and blue in [0, 1].
TORCHVISION_MEAN, TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build_backbone(name: str, weights: str, side: int) -> tuple[keras.Layer, keras.Model]:
    """A backbone without its last layers, and before it the layer that turns [0, 1] into what its weights expect.

    name: a network of keras.applications; weights: "package", "imagenet" for Keras's download, "none", or the path of
    a file that Keras saved; side: pixels of its input (N, side, side, 3). Raises ValueError for what does not fit
    together, FileNotFoundError or OSError for weights that are not to be had.
    """
    if side < MIN_SIDE:
        raise ValueError(f"side is {side}, but {name} needs at least {MIN_SIDE} pixels.")
    if weights == "package" and name != "MobileNetV2":
        raise ValueError(
            f"The package holds MobileNetV2 only; for {name} set weights to imagenet, none or a path."
        )
    if name == "MobileNetV2" and weights in ("package", "none"):
        scale = [1 / deviation for deviation in TORCHVISION_STD]
        offset = [-m / d for m, d in zip(TORCHVISION_MEAN, TORCHVISION_STD, strict=True)]
        backbone = torchvision_mobilenet(side)
        if weights == "package":
            backbone.set_weights(mobilenet_weights(read_torch_tensors(packaged_file())))
    else:
        # Keras's MobileNetV2 wants [-1, 1]; the others want 0 to 255 and see to the rest themselves.
        scale, offset = (2.0, -1.0) if name == "MobileNetV2" else (255.0, 0.0)
        backbone = keras_backbone(name, weights, side)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # Keras's MobileNetV2 has 0.999, too slow for a short fine-tuning
    return layers.Rescaling(scale, offset), backbone


def keras_backbone(name: str, weights: str, side: int) -> keras.Model:
    """A network of keras.applications as it stands there, with Keras's weights, those of a file, or new ones."""
    build = getattr(keras.applications, name)
    shape = {"input_shape": (side, side, 3), "include_top": False}
    if weights == "imagenet":
        try:
            return build(weights="imagenet", **shape)
        except Exception as error:  # Keras raises a plain Exception where there is no connection
            raise OSError(
                f"Keras could not download the weights of {name} ({error}). Is there a connection? MobileNetV2 can do "
                "without one: set weights to package."
            ) from error
    backbone = build(weights=None, **shape)
    if weights == "none":
        return backbone
    path = Path(weights).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there. weights can be package, imagenet, none or a file's path."
        )
    try:
        backbone.load_weights(path)
    except Exception as error:  # Keras raises whatever its reading of a foreign file runs into
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{path} does not hold the weights of keras.applications.{name} without its top: {reason}"
        ) from error
    return backbone
