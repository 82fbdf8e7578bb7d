"""Faces keep their track ids from frame to frame, and their probabilities are smoothed over time."""

import math

import numpy as np
import pytest

from pipeline.vision.face import Face
from pipeline.vision.face_detector import nms
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.tracker import Tracker

HAPPY, SAD = np.eye(7, dtype=np.float32)[[3, 4]]


def predict_at(
    left: float, top: float = 0, side: float = 100, probabilities: np.ndarray = HAPPY
) -> FacePrediction:
    return FacePrediction(Face((left, top, side, side), 0.9), probabilities, 1)


def track_ids(predictions: list[FacePrediction]) -> list[int]:
    return [prediction.track_id for prediction in predictions]


def test_probabilities_are_smoothed_over_time_not_over_frames():
    tracker = Tracker(smoothing=0.5)
    tracker.update([predict_at(0, probabilities=HAPPY)], 2.0)
    (tracked,) = tracker.update([predict_at(0, probabilities=SAD)], 2.1)
    weight = 1 - math.exp(-0.1 / 0.5)
    np.testing.assert_allclose(tracked.probabilities[[3, 4]], [1 - weight, weight], rtol=1e-6)
    assert tracked.emotion == "Happy" and tracked.probabilities.dtype == np.float32

    (tracked,) = tracker.update([predict_at(0, probabilities=SAD)], 2.5)  # as after one step of 0.5 s
    np.testing.assert_allclose(tracked.probabilities[3], math.exp(-0.5 / 0.5), rtol=1e-6)
    assert tracked.emotion == "Sad" and tracked.probabilities.sum() == pytest.approx(1)


def test_without_smoothing_the_probabilities_are_unchanged():
    tracker = Tracker(smoothing=0)
    for probabilities in (HAPPY, SAD, HAPPY):
        (tracked,) = tracker.update([predict_at(0, probabilities=probabilities)], 0.0)
        assert np.array_equal(tracked.probabilities, probabilities)


def test_a_missing_face_keeps_its_track_id_until_max_age():
    tracker = Tracker(smoothing=0.4, max_age=1.0)
    assert track_ids(tracker.update([predict_at(0)], 0.0)) == [1]
    assert tracker.update([], 0.5) == []
    assert track_ids(tracker.update([predict_at(10)], 1.0)) == [1]
    (returned,) = tracker.update([predict_at(10, probabilities=SAD)], 2.1)
    assert returned.track_id == 2
    assert np.array_equal(returned.probabilities, SAD)  # not smoothed with the expired track
    assert track_ids(tracker.update([predict_at(0, top=500), predict_at(10)], 2.2)) == [3, 2]


@pytest.mark.parametrize("interval", [1.0, 1.5, 2.0, 4.0])
@pytest.mark.parametrize("smoothing", [0.4, 10.0])
def test_below_one_frame_a_second_nothing_is_smoothed(interval, smoothing):
    tracker = Tracker(smoothing, max_age=10.0)
    for index, probabilities in enumerate((HAPPY, SAD, HAPPY, SAD)):
        (tracked,) = tracker.update([predict_at(0, probabilities=probabilities)], index * interval)
        assert np.array_equal(tracked.probabilities, probabilities) and tracked.track_id == 1


def test_after_a_cut_faces_in_the_same_place_get_new_track_ids_and_are_not_smoothed():
    tracker = Tracker()
    tracker.update([predict_at(0), predict_at(500)], 0.0)
    tracker.end_tracks()
    tracked = tracker.update([predict_at(0, probabilities=SAD), predict_at(500)], 0.04)
    assert track_ids(tracked) == [3, 4] and np.array_equal(tracked[0].probabilities, SAD)


def test_two_faces_never_share_a_track_id():
    tracker = Tracker()
    tracker.update([predict_at(0)], 0.0)
    assert track_ids(tracker.update([predict_at(60), predict_at(10)], 0.1)) == [
        2,
        1,
    ]  # both overlap the track


def test_a_sudden_jump_starts_a_new_track():
    tracker = Tracker()
    assert track_ids(tracker.update([predict_at(0)], 0.0)) == [1]
    assert track_ids(tracker.update([predict_at(300)], 0.1)) == [2]


def test_a_face_that_accelerates_steadily_keeps_its_track_id():
    tracker = Tracker()
    positions = [0, 40, 120, 230, 350, 470]  # at the end it moves by more than its own width
    updates = [tracker.update([predict_at(left)], 0.2 * index) for index, left in enumerate(positions)]
    assert {prediction.track_id for (prediction,) in updates} == {1}


@pytest.mark.parametrize("velocity", [5, 12, 30])  # pixels per frame
@pytest.mark.parametrize("side", [100, 60])
@pytest.mark.parametrize("in_front", ["first", "second", "alternating"])
def test_two_faces_that_cross_keep_their_track_ids(velocity, side, in_front, rng):
    """Where they overlap by half, only the one in front is detected; positions have a noise of one pixel."""
    tracker, ids = Tracker(), {"first": set(), "second": set()}
    for frame in range(600 // velocity):
        front = ("first", "second")[frame % 2] if in_front == "alternating" else in_front
        noise = rng.normal(0, 1, 2)
        boxes = {
            "first": (velocity * frame + noise[0], 0, 100, 100),
            "second": (500 - velocity * frame + noise[1], 15, side, side),
        }
        faces = nms([Face(box, 0.9 if name == front else 0.8) for name, box in boxes.items()])
        for tracked in tracker.update([FacePrediction(face, HAPPY, 1) for face in faces], frame / 25):
            ids["first" if tracked.face.box == boxes["first"] else "second"].add(tracked.track_id)
    assert sorted(map(len, ids.values())) == [1, 1] and ids["first"] != ids["second"], ids
