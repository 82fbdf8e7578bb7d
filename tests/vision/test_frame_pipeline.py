"""The loop over the frames of a video: tracking, annotated copies, early stop."""

from contextlib import closing

import cv2
import numpy as np
import pytest
import skimage
from helpers import load_astronaut

from pipeline.data.fer2013 import EMOTIONS
from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision.annotate import EMOTION_RGB
from pipeline.vision.frame_pipeline import FramePipeline, annotate_video
from pipeline.vision.video_io import VideoReader
from pipeline.vision.video_writer import open_video_writer

FPS = 8.0
N_FRAMES = 6
PIXELS_PER_FRAME = 8


class AlternatingClassifier:
    """Predicts Happy for one frame and Sad for the next."""

    def __init__(self):
        self.n_calls = 0

    emotions = EMOTIONS

    def predict_proba(self, faces: np.ndarray, tta: int = 1) -> np.ndarray:
        probabilities = np.zeros((len(faces), 7), np.float32)
        probabilities[:, EMOTIONS.index(("Happy", "Sad")[self.n_calls % 2])] = 1
        self.n_calls += 1
        return probabilities


def make_frame(index: int) -> np.ndarray:
    """A face that moves to the right over a dark background."""
    image = np.full((300, 480, 3), 40, np.uint8)
    left = 20 + PIXELS_PER_FRAME * index
    image[40:240, left : left + 200] = np.asarray(load_astronaut().resize((200, 200)))
    return image


def make_scene(name: str) -> np.ndarray:
    """A background (300, 480, 3) uint8 RGB: a photograph of scikit-image, or a plain wall."""
    if name in ("dark", "gray"):
        return np.full((300, 480, 3), {"dark": 40, "gray": 160}[name], np.uint8)
    return cv2.resize(getattr(skimage.data, name)(), (480, 300))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    with open_video_writer(path, FPS, (480, 300)) as writer:
        for index in range(N_FRAMES):
            writer.write(make_frame(index))
    return path


def count_happy_pixels(image: np.ndarray) -> int:
    return int((np.abs(image.astype(int) - EMOTION_RGB["Happy"]).max(axis=2) < 60).sum())


@pytest.fixture(scope="module")
def frame_pipeline():
    """A new pipeline for each call; the classifier is shared."""
    classifier = EmotionClassifier(model_zoo.DEFAULT_MODEL)
    return lambda **options: FramePipeline(classifier, **options)


def test_a_moving_face_keeps_its_track_id_and_the_image_is_not_changed(frame_pipeline):
    pipeline = frame_pipeline()
    for index in range(3):
        image = make_frame(index)
        (prediction,) = pipeline.process(image, index / FPS)
        assert (prediction.track_id, prediction.emotion) == (1, "Happy")
        np.testing.assert_array_equal(image, make_frame(index))


def test_probabilities_are_smoothed_over_time():
    image = make_frame(0)
    happy = {}
    for smoothing in (0.0, 0.5):
        pipeline = FramePipeline(AlternatingClassifier(), smoothing=smoothing)
        pipeline.process(image, 0.0)
        (prediction,) = pipeline.process(image, 0.25)
        happy[smoothing] = prediction.probabilities[EMOTIONS.index("Happy")]
    assert happy[0.0] == 0 and happy[0.5] == pytest.approx(np.exp(-0.25 / 0.5), abs=1e-6)


@pytest.mark.parametrize(("max_age", "track_id"), [(1.0, 2), (3.0, 1)])
def test_a_face_keeps_its_track_id_over_a_gap_of_max_age_seconds(frame_pipeline, max_age, track_id):
    pipeline, image = frame_pipeline(max_age=max_age), make_frame(0)
    pipeline.process(image, 0.0)
    (prediction,) = pipeline.process(image, 2.0)
    assert prediction.track_id == track_id


@pytest.mark.parametrize(
    ("before", "after"), [("dark", "coffee"), ("coffee", "chelsea"), ("chelsea", "gray")]
)
def test_after_a_cut_a_face_in_the_same_place_has_a_new_track_id_and_is_not_smoothed(before, after):
    pipeline = FramePipeline(AlternatingClassifier())
    numbers = []
    for index, scene in enumerate((before, before, after)):
        image = make_scene(scene)
        image[40:240, 120:320] = np.asarray(load_astronaut().resize((200, 200)))
        (prediction,) = pipeline.process(image, index / FPS)
        numbers.append(prediction.track_id)
    assert numbers == [1, 1, 2]
    assert prediction.probabilities[EMOTIONS.index("Happy")] == 1


def test_annotate_video_yields_each_frame_unchanged_and_writes_it_annotated(frame_pipeline, video, tmp_path):
    copy = tmp_path / "copy.mp4"
    plain = [frame.image for frame in VideoReader(video)]
    reader = VideoReader(video)
    for frame, predictions in annotate_video(reader, frame_pipeline(), copy):
        assert frame.number == reader.frames_read and [face.track_id for face in predictions] == [1]
        np.testing.assert_array_equal(frame.image, plain[frame.number - 1])
    annotated = VideoReader(copy)
    assert annotated.fps == pytest.approx(FPS)
    images = [frame.image for frame in annotated]
    assert len(images) == N_FRAMES and images[0].shape == plain[0].shape
    for image, unannotated in zip(images, plain, strict=True):
        assert count_happy_pixels(image) > count_happy_pixels(unannotated) + 300


def test_annotate_video_without_a_path_writes_no_copy(frame_pipeline, video, tmp_path):
    frames = list(annotate_video(VideoReader(video), frame_pipeline(), None))
    assert len(frames) == N_FRAMES and not list(tmp_path.iterdir())


def test_a_copy_ends_with_the_frame_before_an_early_stop(frame_pipeline, video, tmp_path):
    copy = tmp_path / "copy.webm"
    with closing(annotate_video(VideoReader(video), frame_pipeline(), copy)) as frames:
        for frame, _ in frames:
            if frame.number == 4:
                break
    assert [path.name for path in tmp_path.iterdir()] == ["copy.webm"]
    assert sum(1 for _ in VideoReader(copy)) == 3


def test_resize_applies_to_the_copy_only(frame_pipeline, video, tmp_path):
    copy = tmp_path / "copy.mp4"
    for frame, _ in annotate_video(
        VideoReader(video), frame_pipeline(), copy, resize=lambda image: image[::2, ::2].copy()
    ):
        assert frame.size == (480, 300)
    assert next(iter(VideoReader(copy))).size == (240, 150)
