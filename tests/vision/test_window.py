"""The line below the image in the window: frame rate, keys, message."""

import pytest

from pipeline.vision.window import format_status


@pytest.mark.parametrize("message", ["", "saved results/webcam/x.png", "paused; space resumes"])
@pytest.mark.parametrize("is_recording", [False, True])
def test_the_keys_stay_visible_and_say_how_to_stop_a_recording(message, is_recording):
    status = format_status(24.6, is_recording, message)
    assert status.strip().startswith("25 frames/s") and status.endswith(message)
    for key in ("q quit", "s save", "space pause", "m mirror"):
        assert key in status
    assert ("r stop recording" in status) == is_recording and "r record" in status.replace("stop ", "")
