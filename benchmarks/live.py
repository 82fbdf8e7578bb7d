"""Measure the throughput of live recognition, without a camera: detect, classify, track and annotate.

The frames are 640x480 with one face and with ten (scikit-image's astronaut, moving over a photograph). Each case runs
in a process of its own, for its peak memory. Also the time from the start of Webcam.py to its end after one frame.
Run:    python3 -m pip install scikit-image
        python3 benchmarks/live.py
Expect: one minute.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.workflow.cli import peak_memory, run_benchmark

import cv2
import numpy as np

from pipeline.inference.classifier import EmotionClassifier
from pipeline.vision.annotate import annotate_faces
from pipeline.vision.frame_pipeline import FramePipeline
from pipeline.vision.video_writer import open_video_writer
from pipeline.workflow.steps import ROOT

WIDTH, HEIGHT = 640, 480  # pixels
FPS = 30  # frames per second of the simulated camera
WARM_UP_FRAMES = 10
START_UPS = 5  # runs of Webcam.py


@dataclass
class Settings:
    frames: int = 300  # measured, after the warm-up
    model: str = "models/Compact_votes.tflite"  # the default of Webcam.py
    worker: str = ""  # internal: file with the frames that this process measures


def main(settings: Settings) -> None:
    if settings.worker:
        print(json.dumps(measure_frames(settings)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for n_faces in (1, 10):
            measured = run_worker(make_frames(n_faces), Path(folder) / "frames.npy", settings)
            seconds = np.array(measured["seconds"])
            print(
                f"  {n_faces} faces, {measured['detected']:.1f} detected: "
                f"median {1 / np.median(seconds):.0f} frames/s, 5th percentile {1 / np.percentile(seconds, 95):.0f}; "
                f"peak memory {measured['peak_memory'] / 1e6:.0f} MB",
                flush=True,
            )
        start_up = measure_start_up(Path(folder) / "video.mp4", settings.model)
    print(
        f"  start of Webcam.py to its end after one frame: median {statistics.median(start_up):.2f} s "
        f"({min(start_up):.2f} to {max(start_up):.2f})"
    )


def run_worker(frames: np.ndarray, path: Path, settings: Settings) -> dict:
    """Run measure_frames in a process of its own."""
    np.save(path, frames)
    command = [sys.executable, __file__, "--worker", str(path), "--model", settings.model]
    command += ["--frames", str(settings.frames)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measure_frames(settings: Settings) -> dict:
    """Return the seconds of each frame, the mean number of detected faces, and the peak memory in bytes."""
    frames = np.load(settings.worker, mmap_mode="r")
    frame_pipeline = FramePipeline(EmotionClassifier(ROOT / settings.model))
    seconds, n_detected = [], 0
    for number in range(WARM_UP_FRAMES + settings.frames):
        image = np.array(frames[number % len(frames)])
        start = time.perf_counter()
        predictions = frame_pipeline.process(image, number / FPS)
        annotate_faces(image, predictions)
        if number >= WARM_UP_FRAMES:
            seconds.append(time.perf_counter() - start)
            n_detected += len(predictions)
    return {
        "seconds": seconds,
        "detected": n_detected / settings.frames,
        "peak_memory": peak_memory() or 0,
    }


def measure_start_up(video: Path, model: str) -> list[float]:
    """Return the seconds of each run of Webcam.py on one frame, the start of Python included."""
    with open_video_writer(video, FPS, (WIDTH, HEIGHT)) as writer:
        for image in make_frames(n_faces=1)[:3]:
            writer.write(image)
    command = [sys.executable, str(ROOT / "Webcam.py"), "--model", str(ROOT / model), "--source", str(video)]
    command += ["--headless", "--seconds", "0.01"]
    seconds = []
    for _ in range(START_UPS):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - start)
    return seconds


def make_frames(n_faces: int, n_frames: int = 30) -> np.ndarray:
    """Return frames (n_frames, 480, 640, 3) uint8 with faces that move to the left and back."""
    from skimage import data

    background = cv2.resize(data.coffee(), (WIDTH, HEIGHT))
    side = 240 if n_faces == 1 else 120
    face = cv2.resize(data.astronaut()[20:220, 120:320], (side, side), interpolation=cv2.INTER_AREA)
    frames = []
    for frame in range(n_frames):
        image, offset = background.copy(), abs(frame - n_frames // 2)
        for index in range(n_faces):
            row, column = divmod(index, 5)
            top, left = 20 + row * (side + 40), 5 + column * (side + 2) + offset // 3
            image[top : top + side, left : left + side] = face
        frames.append(image)
    return np.stack(frames)


if __name__ == "__main__":
    run_benchmark(main, Settings)
