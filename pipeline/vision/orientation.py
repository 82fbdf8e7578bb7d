"""Find videos that were recorded sideways or upside down without metadata that say so, by their faces."""

from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.video_io import VideoReader

N_SAMPLES = 8  # frames
N_SKIPPED = 25  # from one to the next at the start of a video, where others cannot be reached
MIN_SCORE = (
    0.9  # of a face that shows the orientation; sideways faces and boxes that are no faces score up to 0.89
)
MIN_FRAMES = 2  # that have such a face; one may be a coincidence
MAX_ROLL = 45.0  # degrees, of a face that is upright


def open_upright(path: Path, every: int = 1) -> VideoReader:
    """Open a video, rotated if faces are found in other orientations only. Raises as VideoReader does.

    Args:
        every: read every n-th frame only.
    """
    reader = VideoReader(path)
    samples = reader.sample(N_SAMPLES)
    reader.close()
    if not samples:
        samples = [frame.image for frame in islice(VideoReader(path, N_SKIPPED), N_SAMPLES)]
    return VideoReader(path, every, find_quarter_turns(samples, FaceDetector(live=True)))


def find_quarter_turns(images: list[np.ndarray], detector: FaceDetector) -> int:
    """Return by how many quarter turns, counterclockwise, images have to be rotated for their faces to be upright.

    Args:
        images: (height, width, 3) uint8 RGB, from one video.

    Returns:
        0 also if a face is found in the images as they are, or in no orientation.
    """
    if any(has_upright_face(image, 0, detector) for image in images):
        return 0
    n_upright = {
        turns: sum(has_upright_face(image, turns, detector) for image in images) for turns in (1, 2, 3)
    }
    turns = max(n_upright, key=lambda key: n_upright[key])
    return turns if n_upright[turns] >= min(MIN_FRAMES, len(images)) > 0 else 0


def has_upright_face(image: np.ndarray, turns: int, detector: FaceDetector) -> bool:
    """Return whether an image shows an upright face after `turns` quarter turns counterclockwise."""
    faces = detector.detect(np.ascontiguousarray(np.rot90(image, turns)))
    return any(face.score >= MIN_SCORE and abs(face.roll) <= MAX_ROLL for face in faces)
