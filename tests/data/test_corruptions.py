"""Corruptions degrade only the chosen faces, keep shape, type and range, and get stronger with their strength."""

import numpy as np
import pytest

from pipeline.data import synthetic_faces
from pipeline.data.augmentation import Augmentation
from pipeline.data.corruptions import (
    CORRUPTIONS,
    add_noise,
    blur,
    change_gamma,
    compress,
    corrupt,
    quantize,
)
from pipeline.data.pixels import to_float

STRENGTHS = (0.0, 0.3, 0.7, 0.999)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return to_float(synthetic_faces.draw_faces(np.arange(35) % 7, seed=0))[..., None]


def difference(face: np.ndarray, corrupted: np.ndarray) -> float:
    return float(abs(corrupted - face).mean())


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_shape_type_and_range_are_kept_and_the_input_is_not_modified(faces, rng, corruption, strength):
    face = faces[0, :, :, 0]
    before = face.copy()
    corrupted = corruption(face, strength, rng)
    assert corrupted.shape == face.shape and corrupted.dtype == np.float32
    assert corrupted.min() >= 0 and corrupted.max() <= (1.025 if corruption is quantize else 1)
    assert np.array_equal(face, before)


@pytest.mark.parametrize("corruption", [add_noise, blur, compress, quantize])
def test_the_difference_grows_with_the_strength(faces, corruption):
    differences = [
        np.mean([difference(face, corruption(face, s, np.random.default_rng(0))) for face in faces[..., 0]])
        for s in STRENGTHS
    ]
    assert differences == sorted(differences) and differences[-1] > 0.01


def test_gamma_brightens_below_half_strength_and_darkens_above(faces, rng):
    face = faces[0, :, :, 0]
    np.testing.assert_allclose(change_gamma(face, 0.0, rng), np.sqrt(face), atol=1e-6)
    np.testing.assert_allclose(change_gamma(face, 0.5, rng), face, atol=1e-6)
    np.testing.assert_allclose(change_gamma(face, 1.0, rng), face**2, atol=1e-6)


def test_noise_has_the_standard_deviation_of_its_strength(rng):
    gray = np.full((200, 200), 0.5, np.float32)
    assert abs(add_noise(gray, 0.5, rng).std() - 0.5 * 16 / 255) < 0.001


def test_quantize_leaves_few_gray_levels(rng):
    ramp = np.linspace(0, 1, 10_000, dtype=np.float32)
    assert len(np.unique(quantize(ramp, 0.0, rng))) == 256
    assert len(np.unique(quantize(ramp, 1.0, rng))) == 21  # 8% of 255 levels, and 0


def test_only_the_chosen_faces_change_each_by_one_corruption(faces):
    is_chosen = np.arange(len(faces)) % 2 == 0
    corrupted = corrupt(faces, is_chosen, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    kinds, strengths = rng.integers(len(CORRUPTIONS), size=len(faces)), rng.random(len(faces))
    assert set(kinds[is_chosen]) == set(range(len(CORRUPTIONS)))
    for index, face in enumerate(faces):
        if is_chosen[index]:
            face = CORRUPTIONS[kinds[index]](face[..., 0], strengths[index], rng)[..., None]
        assert np.array_equal(corrupted[index], face)


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_augmentation_corrupts_the_share_that_is_set(faces, share):
    many = np.repeat(faces[:1], 1000, axis=0)
    targets = np.zeros((1000, 7), np.float32)
    augmented, _ = Augmentation(corruption=share)(many, targets, np.random.default_rng(0))
    is_changed = (augmented != many).any(axis=(1, 2, 3))
    assert abs(is_changed.mean() - share) < 0.03
