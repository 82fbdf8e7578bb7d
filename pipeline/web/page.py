"""Build the page with Gradio: its three tabs, and the functions that handle their events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline.data.image_io import LoadedImage, read_image
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import recognize_faces
from pipeline.web import components
from pipeline.web.sessions import CameraSessions, CapacityError, LockedClassifier
from pipeline.web.templating import read_static, render
from pipeline.web.uploads import delete_upload, describe_error
from pipeline.web.video_jobs import VideoJobs

# Images and videos are processed one at a time, in the order of their arrival, but do not wait for each other.
IMAGE_EVENT: dict[str, Any] = {
    "concurrency_limit": 1,
    "concurrency_id": "images",
    "api_visibility": "private",
}
VIDEO_EVENT: dict[str, Any] = IMAGE_EVENT | {"concurrency_id": "videos"}
MAX_EVENTS = 1000  # that wait, of all kinds; the images and the videos have their own limit
UPLOAD_AREA: dict[str, Any] = {
    "height": 170,
    "elem_classes": "upload-area",
    "show_label": False,
    "container": False,
}


def build_page(
    classifier: LockedClassifier,
    video_dir: Path,
    *,
    tta: int,
    smoothing: float,
    max_upload_mb: float,
    max_video_seconds: float,
    max_sessions: int,
) -> gr.Blocks:
    """Build the page; the arguments are the settings of Webcam_page.py.

    Args:
        video_dir: where the annotated videos are stored.
    """
    sessions = CameraSessions(classifier, tta=tta, smoothing=smoothing, max_sessions=max_sessions)
    jobs = VideoJobs(video_dir, classifier, tta=tta, smoothing=smoothing, max_seconds=max_video_seconds)

    def end_session(request: gr.Request) -> None:
        sessions.end(get_session_id(request))
        jobs.discard(get_session_id(request))

    with gr.Blocks(title="Facial expressions", analytics_enabled=False) as blocks:
        add_html(render("header.html", model=classifier.path.name))
        with gr.Tabs():
            with gr.Tab("Camera"):
                camera = add_camera(sessions)
            with gr.Tab("Image"):
                add_image_tab(classifier, tta, max_upload_mb)
            with gr.Tab("Video"):
                add_video_tab(jobs, max_upload_mb)
        add_html(render("footer.html"))
        blocks.load(get_session_id, None, camera, show_progress="hidden", api_visibility="private")
        blocks.unload(end_session)
    return blocks.queue(max_size=MAX_EVENTS, api_open=False)


def is_queue_full(blocks: gr.Blocks, function_index: int, max_queue: int) -> bool:
    """Return whether `max_queue` images wait, for an event with an image, or videos, for one with a video."""
    function = blocks.fns.get(function_index)
    if function is None or function.concurrency_id not in ("images", "videos"):
        return False
    queue = blocks._queue.event_queue_per_concurrency_id.get(function.concurrency_id)
    return queue is not None and len(queue.queue) >= max_queue


def get_session_id(request: gr.Request) -> str:
    """Return Gradio's identifier of a browser tab."""
    return request.session_hash or ""


def add_html(content: str = "") -> gr.HTML:
    """Add HTML to the block that is being built."""
    return gr.HTML(content, apply_default_css=False)


def add_camera(sessions: CameraSessions) -> gr.HTML:
    """Add the camera. The component's value is the session id, which camera.js sends with each frame."""

    def recognize_frame(message: dict) -> dict:
        """Return the faces in a frame as components.to_overlay describes them, or an error."""
        try:
            result = sessions.process(str(message["session_id"]), str(message["frame"]))
            return components.to_overlay(result)
        except (ValueError, KeyError, TypeError) as error:
            return {"error": describe_error(error), "is_fatal": isinstance(error, CapacityError)}

    def export_csv(message: dict) -> str:
        """Return the session's results as CSV."""
        return components.to_csv(sessions.get_rows(str(message["session_id"])), sessions.classifier.emotions)

    return gr.HTML(
        "",
        html_template=components.camera_html(sessions.classifier.emotions),
        js_on_load=read_static("camera.js"),
        server_functions=[recognize_frame, export_csv],
        apply_default_css=False,
    )


def add_image_tab(classifier: LockedClassifier, tta: int, max_upload_mb: float) -> None:
    """Add the upload of an image, the example images, and the result of either."""

    def recognize_image(image: LoadedImage, name: str) -> str:
        detector = FaceDetector()  # not thread-safe, and events run in different threads
        faces = recognize_faces(image.pixels, detector, classifier, tta)
        faces = [face.scaled(*image.scale) for face in faces]
        return components.image_result(name, image, faces, classifier.emotions)

    def recognize_upload(upload: str) -> tuple[str, None]:
        path = Path(upload)
        return process_upload(path, lambda: recognize_image(read_image(path), path.name)), None

    def recognize_example(event: gr.EventData) -> str:
        emotion, image = components.load_examples()[int(event.example_index)]
        return recognize_image(LoadedImage(image, image.shape[1::-1]), f"{emotion.lower()}.png")

    upload = gr.File(file_types=["image"], label="An image with faces", **UPLOAD_AREA)
    limit = f"A photograph of at most {max_upload_mb:g} MB."
    examples_hint = (
        "Or one of these drawn faces, although the networks that ship were trained on photographs:"
    )
    add_html(render("hint.html", text=f"{limit} {examples_hint}"))
    examples = gr.HTML(
        components.examples_html(), js_on_load=read_static("examples.js"), apply_default_css=False
    )
    result = add_html()
    upload.upload(recognize_upload, upload, [result, upload], **IMAGE_EVENT)
    examples.click(recognize_example, None, result, **IMAGE_EVENT)


def add_video_tab(jobs: VideoJobs, max_upload_mb: float) -> None:
    """Add the upload of a video and its result."""

    def recognize_upload(upload: str, request: gr.Request, progress=gr.Progress()) -> tuple[str, None]:  # noqa: B008
        path = Path(upload)

        def show_progress(fraction: float) -> None:
            progress(fraction, desc="Recognizing faces")

        def annotate() -> str:
            return components.video_result(jobs.annotate(path, get_session_id(request), show_progress))

        return process_upload(path, annotate), None

    upload = gr.File(file_types=["video"], label="A video with faces", **UPLOAD_AREA)
    limit = f"At most {max_upload_mb:g} MB; the first {jobs.max_seconds:g} seconds are processed"
    add_html(render("hint.html", text=f"{limit}, which takes longer than they last."))
    result = add_html()
    upload.upload(recognize_upload, upload, [result, upload], **VIDEO_EVENT)


def process_upload(path: Path, process: Callable[[], str]) -> str:
    """Return the HTML that `process` makes of an upload, or that of its error; delete the upload in either case."""
    try:
        return process()
    except (ValueError, OSError) as error:
        return render("alert.html", text=describe_error(error, path))
    finally:
        delete_upload(path)
