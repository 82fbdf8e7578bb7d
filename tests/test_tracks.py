"""Faces keep their numbers from frame to frame, and their emotions are smoothed as hand arithmetic has it."""

import math

import numpy as np
import pytest

from pipeline.vision.face import Face
from pipeline.vision.face_detector import nms
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.tracker import Tracker

HAPPY, SAD = np.eye(7, dtype=np.float32)[[3, 4]]


def face_at(left: float, top: float = 0, side: float = 100, emotion: np.ndarray = HAPPY) -> FacePrediction:
    return FacePrediction(Face((left, top, side, side), 0.9), emotion, 1)


def numbers(faces: list[FacePrediction]) -> list[int]:
    return [face.track_id for face in faces]


def test_probabilities_are_smoothed_over_time_not_over_frames():
    tracker = Tracker(smoothing=0.5)
    tracker.update([face_at(0, emotion=HAPPY)], 2.0)
    (face,) = tracker.update([face_at(0, emotion=SAD)], 2.1)
    share = 1 - math.exp(-0.1 / 0.5)
    np.testing.assert_allclose(face.probabilities[[3, 4]], [1 - share, share], rtol=1e-6)
    assert face.emotion == "Happy" and face.probabilities.dtype == np.float32

    (face,) = tracker.update([face_at(0, emotion=SAD)], 2.5)  # the same as if it had been seen all the time
    np.testing.assert_allclose(face.probabilities[3], math.exp(-0.5 / 0.5), rtol=1e-6)
    assert face.emotion == "Sad" and face.probabilities.sum() == pytest.approx(1)


def test_without_smoothing_each_frame_tells_its_own():
    tracker = Tracker(smoothing=0)
    for emotion in (HAPPY, SAD, HAPPY):
        (face,) = tracker.update([face_at(0, emotion=emotion)], 0.0)
        assert np.array_equal(face.probabilities, emotion)


def test_a_face_that_is_gone_keeps_its_number_for_as_long_as_patience_lasts():
    tracker = Tracker(smoothing=0.4, patience=1.0)
    assert numbers(tracker.update([face_at(0)], 0.0)) == [1]
    assert tracker.update([], 0.5) == []
    assert numbers(tracker.update([face_at(10)], 1.0)) == [1]
    (again,) = tracker.update([face_at(10, emotion=SAD)], 2.1)
    assert again.number == 2 and np.array_equal(again.probabilities, SAD)  # nothing of the one before
    assert numbers(tracker.update([face_at(0, top=500), face_at(10)], 2.2)) == [3, 2]


def test_no_two_faces_have_the_same_number():
    tracker = Tracker()
    tracker.update([face_at(0)], 0.0)
    beside, same = tracker.update([face_at(60), face_at(10)], 0.1)  # both overlap it
    assert (beside.number, same.number) == (2, 1)


def test_a_leap_makes_another_face_but_a_steady_run_does_not():
    tracker = Tracker()
    assert numbers(tracker.update([face_at(0)], 0.0)) == [1]
    assert numbers(tracker.update([face_at(300)], 0.1)) == [2]
    tracker = Tracker()
    steps = [0, 40, 120, 230, 350, 470]  # it gathers speed, until it goes by more than its own width
    assert {tracker.update([face_at(left)], 0.2 * n)[0].number for n, left in enumerate(steps)} == {1}


@pytest.mark.parametrize("speed", [5, 12, 30])
@pytest.mark.parametrize("side", [100, 60])
@pytest.mark.parametrize("in_front", ["one", "other", "by turns"])
def test_two_faces_that_cross_keep_their_numbers(speed, side, in_front, rng):
    """The finder tells of one where two overlap by half; places are known to a pixel or so."""
    tracker, told = Tracker(), {"one": set(), "other": set()}
    for frame in range(600 // speed):
        front = ("one", "other")[frame % 2] if in_front == "by turns" else in_front
        wobble = rng.normal(0, 1, 2)
        boxes = {
            "one": (speed * frame + wobble[0], 0, 100, 100),
            "other": (500 - speed * frame + wobble[1], 15, side, side),
        }
        seen = nms([Face(box, 0.9 if name == front else 0.8) for name, box in boxes.items()])
        faces = tracker.update([FacePrediction(face, HAPPY, 1) for face in seen], frame / 25)
        for face in faces:
            told["one" if face.face.box == boxes["one"] else "other"].add(face.track_id)
    assert sorted(map(len, told.values())) == [1, 1] and told["one"] != told["other"], told
