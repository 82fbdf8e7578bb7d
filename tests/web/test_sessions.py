"""Test the sessions of Webcam_page.py's cameras, without a server."""

import base64
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from pipeline.vision.recognition import SharedClassifier
from pipeline.web import sessions as sessions_module
from pipeline.web.frames import MAX_SIDE, decode_frame, limit_size
from pipeline.web.sessions import (
    IDLE_TIMEOUT_S,
    CameraSessions,
    CapacityError,
    FrameResult,
)


def to_data_url(image: np.ndarray) -> str:
    """Encode an RGB image as a browser sends a frame."""
    jpeg = cv2.imencode(".jpg", image[..., ::-1])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


@pytest.fixture
def create_sessions(classifier, monkeypatch):
    monkeypatch.setattr(sessions_module, "MAX_FRAME_GAP_S", 600.0)  # faces are tracked on a slow machine, too
    return lambda max_sessions: Sessions(classifier, max_sessions)


class Sessions(CameraSessions):
    """Sessions whose frames are all classified by one network, unless another is given."""

    def __init__(self, classifier: SharedClassifier, max_sessions: int):
        super().__init__(tta=1, smoothing=0.4, max_sessions=max_sessions)
        self.classifier = classifier

    def process(
        self, session_id: str, data_url: str, classifier: SharedClassifier | None = None
    ) -> FrameResult:
        return super().process(session_id, data_url, classifier or self.classifier)


def test_session_over_capacity_is_refused_until_another_ends(create_sessions, photograph):
    sessions, frame = create_sessions(max_sessions=1), to_data_url(photograph)
    assert [face.emotion for face in sessions.process("first", frame).faces] == ["Happy"]
    with pytest.raises(CapacityError, match="1 camera"):
        sessions.process("second", frame)
    sessions.end("first")
    assert sessions.process("second", frame).faces
    assert not sessions.get_rows("first")


def test_idle_session_is_replaced(create_sessions, photograph):
    sessions, frame = create_sessions(max_sessions=1), to_data_url(photograph)
    sessions.process("first", frame)
    sessions.sessions["first"].started -= IDLE_TIMEOUT_S + 1
    assert sessions.process("second", frame).faces
    assert list(sessions.sessions) == ["second"]


def test_frame_without_session_id_is_refused(create_sessions, photograph):
    with pytest.raises(ValueError, match="Reload"):
        create_sessions(max_sessions=1).process("", to_data_url(photograph))


def test_face_keeps_its_track_id_in_all_frames(create_sessions, photograph):
    sessions = create_sessions(max_sessions=1)
    results = [
        sessions.process("tab", to_data_url(np.roll(photograph, shift, axis=1))) for shift in (0, 5, 10)
    ]
    assert [face.track_id for result in results for face in result.faces] == [1, 1, 1]
    assert {result.size for result in results} == {(640, 480)}
    assert [row["frame"] for row in sessions.get_rows("tab")] == [1, 2, 3]


def test_another_network_starts_the_session_anew_even_at_the_limit(create_sessions, classifier, photograph):
    sessions, frame = create_sessions(max_sessions=1), to_data_url(photograph)
    sessions.process("tab", frame)
    sessions.process("tab", frame)
    sessions.process("tab", frame, SharedClassifier(classifier.classifier))
    assert [row["frame"] for row in sessions.get_rows("tab")] == [1]


@pytest.mark.slow
def test_concurrent_sessions_get_the_probabilities_of_a_single_one(create_sessions, photograph):
    sessions, frame = create_sessions(max_sessions=8), to_data_url(photograph)
    expected = sessions.process("single", frame).faces[0].probabilities
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda index: sessions.process(str(index % 4), frame), range(24)))
    for result in results:
        np.testing.assert_allclose(result.faces[0].probabilities, expected, atol=1e-5)
    assert {row["face"] for row in sessions.get_rows("0")} == {1}


@pytest.mark.parametrize(
    "data_url", ["", "data:image/jpeg;base64,", "data:,!!", "data:;base64,R0lGODlhAQABAAAAACw="]
)
def test_frame_that_is_not_a_jpeg_is_refused(data_url):
    with pytest.raises(ValueError, match="not a JPEG"):
        decode_frame(data_url)


def test_frame_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match=str(MAX_SIDE)):
        decode_frame(to_data_url(np.zeros((1, MAX_SIDE + 1, 3), np.uint8)))


def test_images_are_scaled_down_but_not_up():
    assert limit_size(np.zeros((100, 2 * MAX_SIDE, 3), np.uint8)).shape == (50, MAX_SIDE, 3)
    assert limit_size(np.zeros((100, 200, 3), np.uint8)).shape == (100, 200, 3)
