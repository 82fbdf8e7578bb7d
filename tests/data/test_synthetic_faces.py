"""Synthetic faces have FER2013's form and class shares, are reproducible and independent of each other."""

import numpy as np
import pytest

from pipeline.data import fer2013, synthetic_faces
from pipeline.data.fer2013 import EMOTIONS, USAGES

FER2013_COUNTS = np.array([4953, 547, 5121, 8989, 6077, 4002, 6198])


@pytest.fixture
def without_rendering(monkeypatch) -> None:
    """Leave out the faces, for tests of the labels."""
    monkeypatch.setattr(
        synthetic_faces, "draw_faces", lambda emotion, seed: np.zeros((len(emotion), 48, 48), np.uint8)
    )


@pytest.mark.parametrize("size", [300, 345, 1000])
def test_all_splits_contain_all_emotions_in_the_order_of_fer2013(without_rendering, size):
    emotion, _, usage = synthetic_faces.make_table(size, seed=0)
    counts = fer2013.count_faces(emotion, usage)
    assert counts.min() >= 3 and counts.sum() == size
    assert [USAGES.index(name) for name in usage] == sorted(USAGES.index(name) for name in usage)


def test_class_shares_are_those_of_fer2013(without_rendering):
    emotion, _, _ = synthetic_faces.make_table(2000, seed=0)
    shares = np.bincount(emotion, minlength=len(EMOTIONS)) / 2000
    assert abs(shares - FER2013_COUNTS / FER2013_COUNTS.sum()).max() < 0.01


def test_a_table_has_the_columns_of_fer2013():
    emotion, pixels, usage = synthetic_faces.make_table(20, seed=0)
    assert emotion.shape == (20,) and emotion.dtype == np.uint8
    assert pixels.shape == (20, 48, 48) and pixels.dtype == np.uint8
    assert usage.tolist() == ["Training"] * 16 + ["PublicTest"] * 2 + ["PrivateTest"] * 2


def test_only_the_same_seed_gives_the_same_table():
    first, second, other = (synthetic_faces.make_table(100, seed) for seed in (5, 5, 6))
    assert all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_a_face_depends_only_on_its_own_emotion_and_index():
    emotion = np.arange(100) % len(EMOTIONS)
    changed = emotion.copy()
    changed[50] = (changed[50] + 1) % len(EMOTIONS)
    faces = synthetic_faces.draw_faces(emotion, seed=1)
    faces_of_changed = synthetic_faces.draw_faces(changed, seed=1)
    differs = (faces != faces_of_changed).any(axis=(1, 2))
    assert np.flatnonzero(differs).tolist() == [50]
    assert np.array_equal(faces[:80], synthetic_faces.draw_faces(emotion[:80], seed=1))


@pytest.mark.parametrize(
    ("size", "seed", "name"), [(0, 0, "size"), (2.5, 0, "size"), (True, 0, "size"), (10, -1, "seed")]
)
def test_an_invalid_size_or_seed_is_refused(size, seed, name):
    with pytest.raises(ValueError, match=name):
        synthetic_faces.make_table(size, seed)


@pytest.mark.parametrize("emotion", [[7], [-1]])
def test_an_unknown_emotion_is_refused(emotion):
    with pytest.raises(ValueError, match="0 to 6"):
        synthetic_faces.draw_faces(np.array(emotion), 0)


@pytest.mark.parametrize("emotion", [[0.5], [[0]]])
def test_emotions_that_are_not_a_list_of_integers_are_refused(emotion):
    with pytest.raises(ValueError, match="integers"):
        synthetic_faces.draw_faces(np.array(emotion), 0)
