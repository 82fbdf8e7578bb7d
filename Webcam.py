"""Live recognition: the faces before a camera, their emotions, and how sure the network is, in a window.

A face keeps its number while it stays in sight, and its emotions are smoothed over time. Keys: q quit, s save the
picture, r start and stop a recording, space pause, m mirror. Pictures and recordings, a video and a CSV each, go to
results/webcam/.
The network is the one trained in data/ on photographs, else models/Compact.tflite. Nothing leaves this machine.
Run:    python Webcam.py
        python Webcam.py --source 1                     another camera
        python Webcam.py --source party.mp4             a video, as if it were live
        python Webcam.py --headless --seconds 60        no window: records for a minute
Expect: the camera's own frame rate, up to some 60 frames a second on two processor cores. Frames that come meanwhile
are left out; for every frame of a video file take Classification.py.
"""

import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.workflow.cli import run_app

import numpy as np
from PIL import Image

from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import annotate
from pipeline.vision.camera import Camera
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import FacePrediction, load_classifier, recognize_faces
from pipeline.vision.results_log import ResultsLog, to_rows
from pipeline.vision.tracker import Tracker
from pipeline.vision.video_io import Frame, open_video_writer
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.steps import RESULTS

FOLDER = RESULTS / "webcam"
KEYS = "q quit   s save   r record   space pause   m mirror"


@dataclass
class Settings:
    source: str = "0"  # a camera's number, a video file, or the URL of a stream
    model: str = ""  # a saved file, or data; "": data if it knows photographs, else models/Compact.tflite
    smoothing: float = 0.4  # seconds over which emotions are smoothed, against flicker; 0: not at all
    mirror: bool = True  # False: not as in a mirror; of a camera alone
    bars: bool = True  # False: only the box and the emotion
    headless: bool = False  # True: no window; records a video and a CSV until Ctrl-C or the end
    seconds: float = 0.0  # after which to end; 0: when told to


def main(settings: Settings, store: ArtifactStore) -> None:
    classifier = load_classifier(settings.model, store, model_zoo.FASTEST_MODEL)
    window = None if settings.headless else Window()
    with Camera(settings.source) as camera, ExitStack() as recordings:
        live = Live(settings, camera, classifier, recordings)
        if window:
            window.run(live)
        else:
            run_headless(live)
        is_lost = camera.ended and not camera.is_file
    print(f"  {live.frames:,} frames in {live.seconds:.1f} s")
    if is_lost:
        raise ValueError(
            f"{settings.source} gives no more pictures. Was the camera unplugged? What was recorded is whole."
        )


class Live:
    """What is seen now, recognized and drawn, frame by frame."""

    def __init__(
        self, settings: Settings, camera: Camera, classifier: EmotionClassifier, recordings: ExitStack
    ):
        self.settings, self.camera, self.classifier = settings, camera, classifier
        self.detector, self.tracker = FaceDetector(live=True), Tracker(settings.smoothing)
        self.mirror = settings.mirror and not camera.is_file
        self.recordings, self.recording = recordings, None
        self.last, self.frames, self.seconds, self.rate = 0, 0, 0.0, 0.0
        self.picture: np.ndarray | None = None

    def look(self) -> np.ndarray | None:
        """The newest frame with its faces drawn on it, waited for; None when it is over."""
        frame = self.camera.newest(after=self.last)
        if frame is None or (self.settings.seconds and frame.seconds >= self.settings.seconds):
            return None
        since, self.seconds = frame.seconds - self.seconds, frame.seconds
        self.rate = 0.9 * self.rate + 0.1 / since if self.rate and since > 0 else self.camera.fps
        self.last, self.frames = frame.number, self.frames + 1
        self.picture = frame.image[:, ::-1].copy() if self.mirror else frame.image
        faces = self.tracker.update(
            recognize_faces(self.picture, self.detector, self.classifier), frame.seconds
        )
        annotate.annotate_faces(self.picture, faces, self.settings.bars)
        if self.recording:
            self.recording.add(frame, self.picture, faces)
        return self.picture

    def save(self) -> Path:
        """The picture that is seen now, as a file."""
        path = FOLDER / f"{stamp()}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.picture).save(path)
        return path

    def record(self) -> Path:
        """Start a recording, or end the one that is going on."""
        if self.recording:
            path = self.recording.path
            self.recordings.close()
            self.recording = None
            return path
        self.recording = Recorder(FOLDER / stamp(), self.camera, self.recordings)
        return self.recording.path


class Recorder:
    """A video of what is seen and a CSV of who showed which emotion when; both are whole however it ends."""

    def __init__(self, path: Path, camera: Camera, recordings: ExitStack):
        self.path, self.camera, self.recordings = path, camera, recordings
        self.log = ResultsLog(path, {})
        self.video = None
        recordings.callback(self.log.finish, ("csv",))
        self.first, self.outputs = 0.0, 0

    def add(self, frame: Frame, picture: np.ndarray, faces: list[FacePrediction]) -> None:
        if self.video is None:
            self.first = frame.seconds
            video = open_video_writer(self.path.with_suffix(".mp4"), self.camera.fps, frame.size)
            self.video = self.recordings.enter_context(video)
        seconds = frame.seconds - self.first
        self.log.add(to_rows(self.camera.source, faces, frame.number, seconds))
        # A video has a fixed rate: a frame that took longer stands for those that were left out meanwhile.
        while self.outputs <= seconds * self.camera.fps:
            self.video.write(picture)
            self.outputs += 1


def run_headless(live: Live) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a server that shuts down, too, ends it well
    print(f"  recording to {shown_path(live.record())}.mp4 and .csv; Ctrl-C ends it", flush=True)
    while live.look() is not None:
        pass


# --------------------------------------------------------------------------------------------------
# The window
# --------------------------------------------------------------------------------------------------
class Window:
    """A window of the system's own toolkit, which Python brings along; OpenCV's would need another OpenCV."""

    def __init__(self):
        try:
            import tkinter
        except ImportError as error:
            raise ImportError(
                "This Python has no tkinter, which opens windows. On Debian and Ubuntu: sudo apt install python3-tk. "
                "Without a window: --headless, or Webcam_page.py in a browser."
            ) from error
        try:
            self.root = tkinter.Tk(className="Webcam")
        except tkinter.TclError as error:
            raise ValueError(
                f"There is no display for a window ({error}). Without one: --headless, or Webcam_page.py in a browser."
            ) from error
        self.root.title("Facial expressions")
        self.root.configure(background="#181818")
        self.root.protocol("WM_DELETE_WINDOW", self.quit)
        self.view = tkinter.Label(self.root, borderwidth=0, background="#181818")
        self.view.pack(expand=True, fill="both")
        self.status = tkinter.Label(
            self.root, foreground="#dddddd", background="#181818", anchor="w", padx=8, pady=4
        )
        self.status.pack(fill="x")
        self.going, self.paused = True, False
        self.news = ""  # stands where the keys are told, for a while
        self.keys = {"q": self.quit, "s": self.save, "r": self.record, "space": self.pause, "m": self.mirror}
        self.root.bind("<Key>", lambda event: self.keys.get(event.keysym.lower(), lambda: None)())

    def run(self, live: Live) -> None:
        """Show what is seen until the window is closed or there is no more."""
        from PIL import ImageTk

        self.live = live
        try:
            while self.going:
                if self.paused:
                    time.sleep(0.02)
                else:
                    picture = live.look()
                    if picture is None:
                        break
                    # Tk shows it only while it is held.
                    self.shown = ImageTk.PhotoImage(Image.fromarray(picture))
                    self.view.configure(image=self.shown)
                self.status.configure(text=f"{live.rate:3.0f} frames/s     {self.news or KEYS}")
                self.root.update()
        finally:
            self.root.destroy()

    def quit(self) -> None:
        self.going = False

    def save(self) -> None:
        if self.live.picture is not None:
            self.tell(f"saved {shown_path(self.live.save())}")

    def record(self) -> None:
        path = shown_path(self.live.record())
        self.tell(f"recording {path}.mp4" if self.live.recording else f"recorded {path}.mp4 and .csv")

    def pause(self) -> None:
        self.paused = not self.paused
        self.tell("paused; space goes on" if self.paused else "going on")

    def mirror(self) -> None:
        self.live.mirror = not self.live.mirror

    def tell(self, news: str) -> None:
        self.news = news
        print(f"  {news}", flush=True)
        self.root.after(3000, self.forget, news)

    def forget(self, news: str) -> None:
        if self.news == news and not self.paused:
            self.news = ""


def stamp() -> str:
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"[:-3]


def shown_path(path: Path) -> str:
    return path.relative_to(RESULTS.parent).as_posix()


if __name__ == "__main__":
    run_app(main, Settings, "Live recognition")
