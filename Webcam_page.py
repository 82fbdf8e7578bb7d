"""Live recognition in a browser: this machine's, or over the network that of a laptop or a phone.

Three tabs: a camera, pictures, videos. Each face is marked and has a bar for each emotion; a CSV can be downloaded.
A network trained in data/ on photographs recognizes them; where none was, the quick one of models/.
What is kept: no picture. What the camera sees stays in memory for as long as it takes to recognize it. An uploaded file
lies in a private folder until it has been read, ten minutes at most; a video with its faces marked until its tab is
closed, or looks at another one. The folder goes when the script ends. Nothing goes to any other machine.
Run:    python Webcam_page.py
        python Webcam_page.py --model models/Strong.tflite --port 8080
        python Webcam_page.py --host 0.0.0.0 --certificate page.crt --key page.key   (for a phone: see the README)
Expect: an address to open. On two busy cores ten frames a second, labels a tenth of a second later. Ctrl-C ends it.
"""

import signal
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.workflow.cli import run_app

import gradio as gr
import numpy as np

from pipeline.data.image_io import read_image
from pipeline.models import model_zoo
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import load_classifier, recognize_faces
from pipeline.web import components, server
from pipeline.web.private_storage import PRIVATE_DIR
from pipeline.web.sessions import CameraSessions, CapacityError, LockedClassifier
from pipeline.web.video_jobs import VideoJobs
from pipeline.workflow.artifacts import ArtifactStore


@dataclass
class Settings:
    model: str = ""  # a saved file, or data; "": data if it knows photographs, else models/Compact.tflite
    tta: Literal[1, 2, 18] = 2  # of each face, to average over: 2 with its mirror image, 18 shifted too
    smoothing: float = 0.4  # seconds over which the emotions of a moving face are smoothed; 0: not at all
    host: str = "127.0.0.1"  # who may open the page: this machine only; 0.0.0.0: whoever can reach it
    port: int = 7860  # 1 to 65535
    certificate: str = ""  # with `key`, files for https, without which no other machine lends its camera
    key: str = ""  # of the certificate
    root_path: str = ""  # where a proxy shows the page, on a notebook server /user/me/proxy/7860
    largest: float = 50  # megabytes of a picture or video
    longest: float = 60  # seconds of a video that are looked at
    visitors: int = 8  # cameras at a time
    waiting: int = 8  # pictures and videos that may wait for their turn
    browser: bool = False  # True: open the page here


def main(settings: Settings, store: ArtifactStore) -> None:
    refuse_impossible(settings)
    classifier = LockedClassifier(load_classifier(settings.model, store, model_zoo.FASTEST_MODEL))
    # The first look takes longest, and no visitor should wait for it.
    recognize_faces(components.examples()[0][1], FaceDetector(live=True), classifier, settings.tta)
    # Ended from outside, too, it leaves no files behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve(build(settings, classifier), settings)


def refuse_impossible(settings: Settings) -> None:
    """Raise ValueError for settings that cannot be."""
    for name in ("largest", "longest", "visitors", "waiting"):
        if not 0 < getattr(settings, name) < 1e6:
            raise ValueError(f"{name} is {getattr(settings, name)}, but must lie between 0 and a million.")
    if settings.smoothing < 0:
        raise ValueError(f"smoothing is {settings.smoothing}, but must not be below 0.")
    if not 1 <= settings.port <= 65535:
        raise ValueError(f"port is {settings.port}, but must lie between 1 and 65535.")
    if bool(settings.certificate) != bool(settings.key):
        raise ValueError("A certificate needs its key, and a key its certificate: name both, or neither.")
    for path in (settings.certificate, settings.key):
        if path and not Path(path).is_file():
            raise FileNotFoundError(f"{path} is not there. It should be a file for https.")
    if settings.certificate:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certificate, settings.key)
        except ssl.SSLError as error:
            pair = f"{settings.certificate} and {settings.key}"
            raise ValueError(f"{pair} are no certificate and its key, in the format PEM.") from error


def build(settings: Settings, classifier: LockedClassifier) -> gr.Blocks:
    """The page: what stands where, and what answers to what."""
    visitors = CameraSessions(classifier, settings.tta, settings.smoothing, settings.visitors)
    films = VideoJobs(PRIVATE_DIR / "films", classifier, settings.tta, settings.smoothing, settings.longest)

    # ----------------------------------------------------------------------------------------------
    # What answers
    # ----------------------------------------------------------------------------------------------
    def look(told: dict) -> dict:
        """The faces in a frame of a tab's camera, as page.js draws them; or a sentence."""
        try:
            return components.to_overlay(visitors.look(str(told["visitor"]), str(told["picture"])))
        except (ValueError, KeyError, TypeError) as error:
            return {"error": server.error_message(error), "stop": isinstance(error, CapacityError)}

    def table(told: dict) -> str:
        """What a tab's camera has shown so far, as CSV."""
        return components.to_csv(visitors.rows(str(told["visitor"])))

    def of_picture(upload: str) -> tuple[str, None]:
        path = Path(upload)
        try:
            return of_array(read_image(path), path.name), None
        except (ValueError, OSError) as error:
            return components.alert(server.error_message(error, path)), None
        finally:
            server.delete_upload(path)

    def of_example(event: gr.EventData) -> str:
        name, picture = components.examples()[int(event.number)]
        return of_array(picture.copy(), f"{name.lower()}.png")  # it is drawn on

    def of_array(picture: np.ndarray, name: str) -> str:
        # Each picture gets a finder of its own, because it comes in a thread of its own.
        return components.image_result(
            name, picture, recognize_faces(picture, FaceDetector(), classifier, settings.tta)
        )

    def of_video(upload: str, request: gr.Request, progress=gr.Progress()) -> tuple[str, None]:  # noqa: B008
        path = Path(upload)
        try:
            film = films.make(path, request.session_hash, lambda share: progress(share, desc="Looking"))
            return components.video_result(film), None
        except (ValueError, OSError) as error:
            return components.alert(server.error_message(error, path)), None
        finally:
            server.delete_upload(path)

    def named(request: gr.Request) -> str:
        return request.session_hash

    def leave(request: gr.Request) -> None:
        visitors.forget(request.session_hash)
        films.forget(request.session_hash)

    # ----------------------------------------------------------------------------------------------
    # What stands where
    # ----------------------------------------------------------------------------------------------
    one_at_a_time = {"concurrency_limit": 1, "concurrency_id": "files", "api_visibility": "private"}
    upload = {"height": 170, "elem_classes": "drop", "show_label": False, "container": False}
    # Uploads are removed once they have been read; those of tabs that were closed before that, after ten minutes.
    with gr.Blocks(title="Facial expressions", analytics_enabled=False, delete_cache=(60, 600)) as blocks:
        components.html(components.heading(classifier.path.name))
        with gr.Tabs():
            with gr.Tab("Camera"):
                camera = components.camera(look, table)
            with gr.Tab("Picture"):
                picture = gr.File(file_types=["image"], label="A picture with faces", **upload)
                components.html(
                    components.hint(
                        f"A photograph of {settings.largest:g} MB at most. Or one of these drawings, though the "
                        "networks that ship have learned from photographs:"
                    )
                )
                examples = components.example_buttons()
                found = components.html("")
            with gr.Tab("Video"):
                video = gr.File(file_types=["video"], label="A video with faces", **upload)
                components.html(
                    components.hint(
                        f"{settings.largest:g} MB at most; its first {settings.longest:g} seconds are looked at, "
                        "which takes longer than they last."
                    )
                )
                film = components.html("")
        components.html(components.footnote())
        picture.upload(of_picture, picture, [found, picture], **one_at_a_time)
        examples.click(of_example, None, found, **one_at_a_time)
        video.upload(of_video, video, [film, video], **one_at_a_time)
        blocks.load(named, None, camera, show_progress="hidden", api_visibility="private")
        blocks.unload(leave)
    return blocks.queue(max_size=settings.waiting, api_open=False)


if __name__ == "__main__":
    run_app(main, Settings, "Live recognition in a browser")
