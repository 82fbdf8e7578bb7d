"""Detect, classify and track the faces of a video frame by frame, for step 12, the web page and the window."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pipeline.vision.annotate import annotate_faces
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import Classifier, FacePrediction, recognize_faces
from pipeline.vision.scene_cut import SceneCutDetector
from pipeline.vision.sound import Sound
from pipeline.vision.tracker import Tracker
from pipeline.vision.video_io import Frame, VideoReader
from pipeline.vision.video_worker import IsolatedVideoReader
from pipeline.vision.video_writer import open_video_writer


class FramePipeline:
    """Recognize the faces in consecutive frames of one video or camera. Not thread-safe.

    After a cut, all faces get new track ids, and are not smoothed with those before.

    Args:
        classifier: predicts the emotions of the cropped faces.
        tta: views of each face to average over (test-time augmentation).
        smoothing: time constant in seconds of the moving average of each face's probabilities; 0 disables it.
        detector: of the faces; None: FaceDetector(live=True).
        max_age: seconds for which a face that is no longer detected keeps its track_id.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        tta: int = 1,
        smoothing: float = 0.4,
        max_age: float = 1.0,
        detector: FaceDetector | None = None,
    ):
        self.classifier, self.tta = classifier, tta
        self.detector = detector or FaceDetector(live=True)
        self.tracker = Tracker(smoothing, max_age)
        self.cut_detector = SceneCutDetector()

    def process(self, image: np.ndarray, seconds: float) -> list[FacePrediction]:
        """Return the tracked faces of the frame at `seconds`, the largest first.

        Args:
            image: (height, width, 3) uint8 RGB; it is not drawn on.
            seconds: since the start of the video; increases from frame to frame.
        """
        if self.cut_detector.update(image):
            self.tracker.end_tracks()
        predictions = recognize_faces(image, self.detector, self.classifier, self.tta)
        return self.tracker.update(predictions, seconds)


def annotate_video(
    reader: VideoReader | IsolatedVideoReader,
    frame_pipeline: FramePipeline,
    output_path: Path | None,
    *,
    bars: bool = True,
    resize: Callable[[np.ndarray], np.ndarray] | None = None,
    on_copy_error: Callable[[OSError], None] | None = None,
) -> Generator[tuple[Frame, list[FacePrediction]], None, None]:
    """Yield each frame of a video with its faces, and write a copy of the video on which they are marked.

    A frame is yielded before it is annotated and written. A consumer that stops early therefore gets a copy that ends
    with the frame before; with `contextlib.closing` around the generator the copy is complete at once.

    Args:
        output_path: of the copy, .mp4, which has the original's times and sound; None writes no copy.
        bars: whether to draw a bar for each emotion, too.
        resize: applied to each annotated image before it is written.
        on_copy_error: called if the copy cannot be opened, after which the video goes on without one; None raises.
    """
    with ExitStack() as stack:
        stack.callback(reader.close)
        writer = None
        for frame in reader:
            predictions = frame_pipeline.process(frame.image, frame.seconds)
            yield frame, predictions
            if output_path is None:
                continue
            annotate_faces(frame.image, predictions, bars)
            image = resize(frame.image) if resize else frame.image
            if writer is None:
                size = image.shape[1], image.shape[0]
                sound = Sound(reader.path, reader.start_s)
                try:
                    writer = stack.enter_context(open_video_writer(output_path, reader.fps, size, sound))
                except OSError as error:
                    if on_copy_error is None:
                        raise
                    on_copy_error(error)
                    output_path = None
                    continue
            writer.write(image, frame.seconds)
