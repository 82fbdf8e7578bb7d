"""Recognize facial expressions in a browser: on this machine, or on a laptop or phone in the network.

The page has three tabs: camera, image and video. It annotates each face with its emotion, shows the probabilities of
all emotions, over time too, and offers the pictures and the predictions as CSV. Another network of models/ can be
chosen on it.
Privacy: camera frames stay in memory while they are processed. An upload is kept in a private folder until it has been
processed, or for ten minutes if nobody processes it; an annotated video until its tab is closed or processes the next
one, or for an hour after it was last played. The folder is deleted when the script ends, or at its next start if it is
killed. Nothing is sent to any other machine, and requests of other web sites are refused.

Run:    python3 Webcam_page.py
        python3 Webcam_page.py --model models/Strong.tflite --port 8080
        python3 Webcam_page.py --host 0.0.0.0 --certificate page.crt --key page.key   (for a phone: docs/web_page.md)
Expect: an address to open. Ten frames per second on two busy cores, with a latency of 0.1 s. Ctrl-C stops it.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pipeline.workflow.cli import run_app

from annotated_types import Ge, Gt, Le

from pipeline.models import model_zoo
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import SharedClassifier, load_classifier, recognize_faces
from pipeline.web.address import Address
from pipeline.web.components import load_examples
from pipeline.web.private_dir import create_private_dir
from pipeline.web.quick_import import quick_import
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import NonNegativeFloat, PositiveInt


@dataclass
class Settings:
    # Recognition
    model: str = ""  # file of a saved network, or data for the one trained there; "": models/Compact_votes
    trust: bool = False  # True: load a SavedModel without a model card, which can do what its author wants
    tta: Literal[1, 2, 18] = 2  # views of each face to average over; 2: the face and its mirror image
    smoothing: NonNegativeFloat = 0.4  # seconds: time constant of the probabilities' average; 0: off

    # Server
    host: str = "127.0.0.1"  # address to serve at; 127.0.0.1: for this machine only; 0.0.0.0: for the network
    port: Annotated[int, Ge(1), Le(65535)] = 7860  # TCP port, 1 to 65535
    certificate: str = ""  # PEM file for https, without which other machines cannot use their cameras
    key: str = ""  # PEM file with the private key of the certificate
    root_path: str = ""  # path under which a proxy serves the page, such as /user/me/proxy/7860
    allowed_hosts: tuple[str, ...] = ()  # further names of this server, such as that of its proxy
    browser: bool = False  # True: open the page in this machine's browser

    # Limits
    max_upload_mb: Annotated[float, Gt(0), Le(1e6)] = 50  # size of an image or a video in MB
    max_stored_mb: Annotated[float, Gt(0), Le(1e6)] = 500  # size of all uploads and annotated videos in MB
    max_video_seconds: Annotated[float, Gt(0), Le(1e6)] = 60  # length of a video's processed part
    max_sessions: PositiveInt = 8  # cameras at a time
    max_queue: PositiveInt = 8  # images, and videos, that wait to be processed


def main(settings: Settings, store: ArtifactStore) -> None:
    validate_certificate(settings.certificate, settings.key)
    if settings.max_stored_mb < settings.max_upload_mb:
        raise ValueError("max_stored_mb is less than max_upload_mb, so that no upload would fit.")
    private_dir = create_private_dir()
    with quick_import():  # of Gradio, which must not be imported before there is a private folder
        from pipeline.web.page import build_page
        from pipeline.web.server import create_app, serve
    from pipeline.web.uploads import MEGABYTE, UploadStore

    classifier = SharedClassifier(
        load_classifier(settings.model, store, model_zoo.DEFAULT_MODEL, trust=settings.trust)
    )
    warm_up(classifier, settings.tta)
    video_dir = private_dir / "videos"
    page = build_page(
        classifier,
        video_dir,
        tta=settings.tta,
        smoothing=settings.smoothing,
        max_upload_mb=settings.max_upload_mb,
        max_video_seconds=settings.max_video_seconds,
        max_sessions=settings.max_sessions,
    )
    address = Address(
        settings.host,
        settings.port,
        settings.certificate,
        settings.key,
        settings.root_path,
        settings.allowed_hosts,
    )
    uploads = UploadStore(private_dir, settings.max_stored_mb * MEGABYTE)
    uploads.start_sweeping()
    limits = {"max_upload_mb": settings.max_upload_mb, "max_queue": settings.max_queue}
    app = create_app(page, address, uploads, video_dir, **limits)
    serve(app, address, open_browser=settings.browser)


def warm_up(classifier: SharedClassifier, tta: int) -> None:
    """Recognize an example image: the first prediction is the slowest, and no user should wait for it."""
    recognize_faces(load_examples()[0].pixels, FaceDetector(live=True), classifier, tta)


def validate_certificate(certificate: str, key: str) -> None:
    """Raise ValueError or FileNotFoundError unless both files fit together, or neither is set."""
    if bool(certificate) != bool(key):
        raise ValueError(
            "https needs a certificate and its key. Set both --certificate and --key, or neither."
        )
    if not certificate:
        return
    for path in (certificate, key):
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist. Create it as docs/web_page.md describes.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ValueError(
            f"{certificate} and {key} are not a certificate and its key in PEM format."
        ) from error


if __name__ == "__main__":
    run_app(main, Settings, "Live recognition in a browser")
