"""Videos that were recorded sideways are rotated if faces are found in that orientation only."""

import av
import numpy as np
import pytest
import skimage
from helpers import load_astronaut

from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.orientation import find_quarter_turns, open_upright
from pipeline.vision.video_writer import open_video_writer


def make_scene(size: int = 200, left: int = 60) -> np.ndarray:
    """A face over a cup of coffee, (400, 600, 3) uint8 RGB."""
    image = skimage.data.coffee().copy()
    image[100 : 100 + size, left : left + size] = np.asarray(load_astronaut().resize((size, size)))
    return image


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(live=True)


def write_rotated(path, turns: int, n_frames: int = 30, first_face: int = 0) -> None:
    """Write a video of a face that is rotated by quarter turns clockwise, and appears in frame `first_face`."""
    for index in range(n_frames):
        image = make_scene(left=60 + index) if index >= first_face else skimage.data.coffee()
        image = np.ascontiguousarray(np.rot90(image, -turns))
        if not index:
            context = open_video_writer(path, 25, (image.shape[1], image.shape[0]))
            writer = context.__enter__()
        writer.write(image)
    context.__exit__(None, None, None)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("first_face", [0, 15])
def test_a_video_is_read_upright(tmp_path, detector, turns, first_face):
    write_rotated(tmp_path / "video.mp4", turns, first_face=first_face)
    reader = open_upright(tmp_path / "video.mp4")
    frames = list(reader)
    assert len(frames) == 30 and frames[0].size == (600, 400)
    (face,) = detector.detect(frames[-1].image)
    assert abs(face.roll) < 20 and face.box[0] == pytest.approx(60 + 29 + 60, abs=40)
    assert len(reader.notes) == (turns > 0)


def test_a_stream_with_one_key_frame_is_read_upright(tmp_path, detector):
    write_rotated(tmp_path / "video.mp4", turns=1)
    with av.open(str(tmp_path / "video.mp4")) as source, av.open(str(tmp_path / "video.ts"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert {frame.size for frame in open_upright(tmp_path / "video.ts")} == {(600, 400)}


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "retina"])
def test_a_video_without_faces_is_read_as_it_is(detector, name):
    image = getattr(skimage.data, name)()
    assert find_quarter_turns([image, np.ascontiguousarray(image[10:, 5:])], detector) == 0


def test_faces_in_the_frames_as_they_are_decide(detector):
    sideways = np.ascontiguousarray(np.rot90(make_scene()))
    assert find_quarter_turns([sideways] * 7, detector) == 3
    assert find_quarter_turns([sideways] * 7 + [make_scene()], detector) == 0


@pytest.mark.parametrize("n_sideways", [0, 1])
def test_one_frame_is_not_enough(detector, n_sideways):
    images = [np.ascontiguousarray(np.rot90(make_scene()))] * n_sideways + [skimage.data.coffee()] * 5
    assert find_quarter_turns(images, detector) == 0
    assert find_quarter_turns([], detector) == 0
