"""dlib's network for face recognition: its weights without dlib, and faces of one person nearer than of two."""

import numpy as np
import pytest

from pipeline.models.backend import keras
from pipeline.models.dlib_weights import PIXEL_SCALE, RGB_MEAN, build_face_resnet, load_face_resnet_weights

SIDE = 48  # pixels


def encode(number: int) -> bytes:
    """dlib's integer: the number of bytes, then the bytes, the lowest first."""
    return {2: b"\x01\x02", 1: b"\x01\x01", 64: b"\x01\x40", 4736: b"\x02\x80\x12"}[number]


@pytest.fixture
def stem(rng) -> dict[str, np.ndarray]:
    """The first convolution and affine layer, in dlib's order of dimensions."""
    shapes = {"kernel": (32, 3, 7, 7), "bias": 32, "gamma": 32, "beta": 32}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_tensors(path, *tensors: np.ndarray) -> None:
    """Write tensors as dlib does, with other content before each."""
    with open(path, "wb") as file:
        for tensor in tensors:
            file.write(
                b"layer settings" + b"".join(map(encode, (2, tensor.size, 1, 1, 1))) + tensor.tobytes()
            )


def test_stem_computes_convolution_and_affine_layer_of_the_three_channels(stem, rng, tmp_path):
    path = tmp_path / "stem.dat"
    convolution = np.concatenate([stem["kernel"].ravel(), stem["bias"]])
    write_tensors(path, convolution, np.concatenate([stem["gamma"], stem["beta"]]))
    inputs = keras.Input((9, 9, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(32, 7, strides=2, name="stem")(inputs))
    load_face_resnet_weights(model, path)

    gray = rng.random((1, 9, 9, 1), np.float32)
    channels = (gray * 255 - np.array(RGB_MEAN)) / PIXEL_SCALE
    windows = np.lib.stride_tricks.sliding_window_view(channels, (7, 7), axis=(1, 2))[:, ::2, ::2]
    expected = np.einsum("nhwcij,ocij->nhwo", windows, stem["kernel"]) + stem["bias"]
    expected = expected * stem["gamma"] + stem["beta"]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(gray)), expected, atol=1e-4)


@pytest.mark.parametrize("n_bytes", [0, 100, 19_000, 19_390])
def test_damaged_file_is_refused(stem, tmp_path, n_bytes):
    path = tmp_path / "damaged.dat"
    convolution = np.concatenate([stem["kernel"].ravel(), stem["bias"]])
    write_tensors(path, convolution, np.concatenate([stem["gamma"], stem["beta"]]))
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"damaged\.dat"):
        load_face_resnet_weights(build_face_resnet(SIDE), path)


@pytest.mark.slow
def test_features_of_one_face_are_nearer_than_of_two(face_resnet_weights, rng):
    import cv2
    from skimage import data

    model = build_face_resnet(side=150)  # pixels, as the network was trained
    load_face_resnet_weights(model, face_resnet_weights)
    astronaut = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)
    crops = [
        astronaut[60:180, 160:290],
        astronaut[55:185, 155:295],
        data.lfw_subset()[0],
        data.lfw_subset()[1],
    ]
    faces = np.stack([cv2.resize(crop.astype(np.float32), (150, 150)) for crop in crops])
    faces[:2] /= 255
    features = model.predict_on_batch(faces[..., None]).mean((1, 2))
    assert features.shape == (4, 256)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    similarity = features @ features.T
    assert similarity[0, 1] > 0.97 > similarity[0, 2:].max()
