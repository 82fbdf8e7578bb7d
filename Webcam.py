"""Recognize the facial expressions of the people in front of a camera, live in a window.

A face keeps its number while it is visible, and its probabilities are smoothed over time. Keys: q quit, s save the
image, r start and stop a recording, space pause, m mirror. Images and recordings (a video and a CSV each) are saved
in results/webcam/. Nothing leaves this machine.
Run:    python3 Webcam.py
        python3 Webcam.py --source 1                     another camera
        python3 Webcam.py --source party.mp4             a video file, played as if it were live
        python3 Webcam.py --model data                   the network trained in data/
        python3 Webcam.py --headless --seconds 60        no window: record one minute
Expect: the camera's own frame rate, up to about 60 frames per second on two CPU cores. Frames that arrive while one is
processed are skipped; Classification.py processes every frame of a video file.
"""

import signal
from dataclasses import dataclass

from pipeline.workflow.cli import run_app

from pipeline.models import model_zoo
from pipeline.vision.camera import Camera
from pipeline.vision.frame_pipeline import FramePipeline
from pipeline.vision.live import LiveView
from pipeline.vision.recognition import load_classifier
from pipeline.vision.window import Window
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.formatting import format_count, relative_to_root
from pipeline.workflow.settings import NonNegativeFloat
from pipeline.workflow.steps import RESULTS


@dataclass
class Settings:
    source: str = "0"  # number of a camera or path of its device, path of a video file, or URL of a stream
    model: str = ""  # file of a saved network, or data for the one trained there; "": models/Compact_votes
    trust: bool = False  # True: load a SavedModel without a model card, which can do what its author wants

    smoothing: NonNegativeFloat = 0.4  # seconds: time constant of the average of the probabilities; 0: none
    mirror: bool = True  # flip a camera's image horizontally; video files are never flipped
    bars: bool = True  # False: draw only the bounding box and the emotion

    headless: bool = False  # True: no window; record a video and a CSV until Ctrl-C or the end
    seconds: NonNegativeFloat = 0.0  # end after that time; 0: no limit


def main(settings: Settings, store: ArtifactStore) -> None:
    complete_recordings_on_signals()
    classifier = load_classifier(settings.model, store, model_zoo.DEFAULT_MODEL, trust=settings.trust)
    window = None if settings.headless else Window()
    frame_pipeline = FramePipeline(classifier, smoothing=settings.smoothing)
    with (
        Camera(settings.source) as camera,
        LiveView(
            camera,
            frame_pipeline,
            RESULTS / "webcam",
            mirror=settings.mirror and not camera.is_file,
            bars=settings.bars,
            max_seconds=settings.seconds,
        ) as live_view,
    ):
        if window:
            window.run(live_view)
        else:
            record(live_view)
    print(f"  {format_count(live_view.n_frames, 'frame')} in {live_view.seconds:.1f} s")


def complete_recordings_on_signals() -> None:
    """Let a shutdown (SIGTERM) and a closed terminal (SIGHUP) do what Ctrl-C does, unless they are ignored (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def record(live_view: LiveView) -> None:
    """Record without a window until the source ends or a signal interrupts."""
    path = relative_to_root(live_view.start_recording())
    print(f"  recording to {path}.mp4 and {path}.csv; press Ctrl-C to stop", flush=True)
    while live_view.next_image() is not None:
        pass


if __name__ == "__main__":
    run_app(main, Settings, "Live recognition")
