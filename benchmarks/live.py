"""How many frames a second live recognition manages, without waiting for a camera: find, recognize, follow, draw.

On frames of 640x480 with one face and with ten, in a process of its own each, with the peak of its memory; and the time
from the start of Webcam.py to its first frame. The faces are the astronaut's of scikit-image, moving over a photograph.
Run:    python -m pip install scikit-image
        python benchmarks/live.py
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WIDTH, HEIGHT = 640, 480


@dataclass
class Settings:
    frames: int = 300  # measured, after ten to warm up
    model: str = "models/Compact.tflite"  # what Webcam.py takes where nothing was trained
    worker: str = ""  # internal: the folder with the frames for this process


def main(settings: Settings) -> None:
    if settings.worker:
        print(json.dumps(watch(settings)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for faces in (1, 10):
            np.save(Path(folder) / "frames.npy", np.stack(scenes(faces)))
            command = [sys.executable, __file__, "--worker", folder, "--model", settings.model]
            command += ["--frames", str(settings.frames)]
            told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            took = np.array(told["seconds"])
            print(
                f"  {faces} faces, {told['found']:.1f} found: median {1 / np.median(took):.0f} frames/s, ",
                end="",
            )
            print(
                f"of the slowest twentieth {1 / np.percentile(took, 95):.0f}; {told['memory'] / 1e6:.0f} MB at most"
            )
        start_up(Path(folder) / "video.mp4", str(ROOT / settings.model))


def watch(settings: Settings) -> dict:
    """What a worker measures: seconds of each frame, faces found per frame, bytes of memory at most."""
    from pipeline.workflow.cli import peak_memory

    from pipeline.inference.classifier import EmotionClassifier
    from pipeline.vision import annotate
    from pipeline.vision.face_detector import FaceDetector
    from pipeline.vision.recognition import recognize_faces
    from pipeline.vision.tracker import Tracker

    frames = np.load(Path(settings.worker) / "frames.npy", mmap_mode="r")
    detector, tracker, classifier = (
        FaceDetector(live=True),
        Tracker(),
        EmotionClassifier(ROOT / settings.model),
    )
    seconds, found = [], 0
    for number in range(-10, settings.frames):
        picture = np.array(frames[number % len(frames)])
        started = time.perf_counter()
        faces = tracker.update(recognize_faces(picture, detector, classifier), number / 30)
        annotate.annotate_faces(picture, faces)
        if number >= 0:
            seconds.append(time.perf_counter() - started)
            found += len(faces)
    return {"seconds": seconds, "found": found / settings.frames, "memory": peak_memory() or 0}


def start_up(video: Path, model: str, times: int = 5) -> None:
    """From the start of Python to the end of a run over one frame."""
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 30, (WIDTH, HEIGHT))
    for scene in scenes(1)[:3]:
        writer.write(cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))
    writer.release()
    command = [sys.executable, str(ROOT / "Webcam.py"), "--model", model, "--source", str(video)]
    command += ["--headless", "--seconds", "0.01"]
    took = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        took.append(time.perf_counter() - started)
    print(
        f"  from start to first frame, and end: {statistics.median(took):.2f} s ({min(took):.2f} to {max(took):.2f})"
    )


def scenes(faces: int, frames: int = 30) -> list[np.ndarray]:
    """Frames (480, 640, 3) uint8 with so many faces that move to and fro."""
    from skimage import data

    background = cv2.resize(data.coffee(), (WIDTH, HEIGHT))
    side = 240 if faces == 1 else 120
    face = cv2.resize(data.astronaut()[20:220, 120:320], (side, side), interpolation=cv2.INTER_AREA)
    made = []
    for frame in range(frames):
        scene, shift = background.copy(), abs(frame - frames // 2)
        for number in range(faces):
            row, column = divmod(number, 5)
            top, left = 20 + row * (side + 40), 5 + column * (side + 2) + shift // 3
            scene[top : top + side, left : left + side] = face
        made.append(scene)
    return made


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
