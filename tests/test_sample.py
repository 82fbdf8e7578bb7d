"""The drawn sample: like FER2013 in form, reproducible, and neither noise nor trivial (see test_steps.py)."""

import numpy as np
import pytest

from pipeline.data import fer2013, synthetic_faces
from pipeline.data.fer2013 import EMOTIONS, USAGES


@pytest.mark.parametrize("size", [300, 345, 1000])
def test_every_split_has_every_emotion_in_fer2013s_order(size):
    emotion, pixels, usage = synthetic_faces.make_table(size, seed=0)
    counts = fer2013.count_faces(emotion, usage)
    assert pixels.shape == (size, 48, 48) and pixels.dtype == np.uint8
    assert counts.min() >= 3 and counts.sum() == size
    assert [USAGES.index(name) for name in usage] == sorted(USAGES.index(name) for name in usage)


def test_shares_are_those_of_fer2013():
    emotion, _, _ = synthetic_faces.make_table(2000, seed=0)
    official = np.array([4953, 547, 5121, 8989, 6077, 4002, 6198]) / 35887
    assert abs(np.bincount(emotion, minlength=7) / 2000 - official).max() < 0.01


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    first, again, other = (synthetic_faces.make_table(100, seed) for seed in (5, 5, 6))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_a_face_depends_on_its_own_emotion_only():
    emotion = np.arange(100) % len(EMOTIONS)
    changed = emotion.copy()
    changed[50] = (changed[50] + 1) % len(EMOTIONS)
    one, two, shorter = (
        synthetic_faces.draw_faces(emotion, 1),
        synthetic_faces.draw_faces(changed, 1),
        synthetic_faces.draw_faces(emotion[:80], 1),
    )
    differing = (one != two).any(axis=(1, 2))
    assert np.flatnonzero(differing).tolist() == [50]
    assert np.array_equal(one[:80], shorter)


@pytest.mark.parametrize(
    ("arguments", "expected"), [((0, 0), "size"), ((2.5, 0), "size"), ((10, -1), "seed"), ((True, 0), "size")]
)
def test_bad_arguments_are_a_sentence(arguments, expected):
    with pytest.raises(ValueError, match=expected):
        synthetic_faces.make_table(*arguments)


def test_an_emotion_that_is_none_is_a_sentence():
    with pytest.raises(ValueError, match="0 to 6"):
        synthetic_faces.draw_faces(np.array([7]), 0)
