"""The page's three tabs, and the functions that handle their events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline.data.image_io import LoadedImage, read_image
from pipeline.vision.explanation import explain_image
from pipeline.vision.face_detector import FaceDetector
from pipeline.vision.recognition import SharedClassifier, recognize_faces
from pipeline.web import components
from pipeline.web.components import Result
from pipeline.web.networks import Networks
from pipeline.web.sessions import CameraSessions, CapacityError
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
MAX_FILES = 20  # of an upload that are processed
UPLOAD_AREA: dict[str, Any] = {
    "file_count": "multiple",
    "height": 120,
    "elem_classes": "upload-area",
    "show_label": False,
    "container": False,
}


def get_session_id(request: gr.Request) -> str:
    """Return Gradio's identifier of a browser tab."""
    return request.session_hash or ""


def add_html(content: str = "", **arguments: Any) -> gr.HTML:
    """Add HTML to the block that is being built."""
    return gr.HTML(content, apply_default_css=False, **arguments)


# --------------------------------------------------------------------------------------------------
# Camera
# --------------------------------------------------------------------------------------------------
def add_camera(sessions: CameraSessions, networks: Networks) -> gr.HTML:
    """Add the camera. The component's value is what camera.js sends with each frame: `session_id` and `network`."""

    def recognize_frame(message: dict) -> dict:
        """Return the faces in a frame as components.to_overlay describes them, or an error."""
        try:
            classifier = networks.get(str(message["network"]))
            result = sessions.process(str(message["session_id"]), str(message["frame"]), classifier)
            return components.to_overlay(result)
        except (ValueError, KeyError, TypeError) as error:
            return {"error": describe_error(error), "is_fatal": isinstance(error, CapacityError)}

    def export_csv(message: dict) -> str:
        """Return the session's results as CSV."""
        return components.to_csv(sessions.get_rows(str(message["session_id"])), networks.emotions)

    return add_html(
        html_template=components.camera_html(networks.emotions),
        js_on_load=read_static("emotion_chart.js") + read_static("camera.js"),
        server_functions=[recognize_frame, export_csv],
    )


# --------------------------------------------------------------------------------------------------
# Images and videos
# --------------------------------------------------------------------------------------------------
def add_image_tab(networks: Networks, network: gr.Dropdown, tta: int, max_upload_mb: float) -> None:
    """Add the upload of images, the example images, and the result of either."""

    def recognize_uploads(
        uploads: list[str],
        network_name: str,
        is_explained: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, None]:
        def process(path: Path, show_progress: Callable[[float], None]) -> Result:
            return recognize_image(read_image(path), path.name, networks.get(network_name), tta, is_explained)

        return process_uploads(uploads, process, progress), None

    def recognize_example(network_name: str, is_explained: bool, event: gr.EventData) -> str:
        example = components.load_examples()[int(event.example_index)]
        image = LoadedImage(example.pixels, example.pixels.shape[1::-1])
        return recognize_image(image, example.file_name, networks.get(network_name), tta, is_explained).html

    with gr.Row(elem_classes="inputs"):
        with gr.Column(elem_classes="upload-column"):
            upload = gr.File(file_types=["image"], label="Images with faces", **UPLOAD_AREA)
            explain = gr.Checkbox(
                label="Explain what each emotion depends on (takes longer)",
                container=False,
                elem_classes="explain",
            )
        text = (
            f"Up to {MAX_FILES} photographs at once, of at most {max_upload_mb:g} MB together. Or try a photograph by "
            "NASA (public domain), or drawn faces, on which the networks that ship were not trained:"
        )
        examples = add_html(components.examples_html(text), js_on_load=read_static("examples.js"))
    result = add_html(elem_classes="result-area")
    clear_at_once(upload.upload, result)
    clear_at_once(examples.click, result)
    upload.upload(
        recognize_uploads,
        [upload, network, explain],
        [result, upload],
        show_progress_on=result,
        **IMAGE_EVENT,
    )
    examples.click(recognize_example, [network, explain], result, **IMAGE_EVENT)


def recognize_image(
    image: LoadedImage, name: str, classifier: SharedClassifier, tta: int, is_explained: bool
) -> Result:
    """Return an image's results, with the saliency maps of its largest faces if `is_explained`."""
    detector = FaceDetector()  # not thread-safe, and events run in different threads
    faces = recognize_faces(image.pixels, detector, classifier, tta)
    explanation = explain_image(image.pixels, faces, classifier, tta) if faces and is_explained else None
    faces = [face.scaled(*image.scale) for face in faces]
    return components.image_result(name, image, faces, classifier.emotions, explanation)


def add_video_tab(jobs: VideoJobs, networks: Networks, network: gr.Dropdown, max_upload_mb: float) -> None:
    """Add the upload of videos and its result."""

    def recognize_uploads(
        uploads: list[str],
        network_name: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, None]:
        session_id = get_session_id(request)

        def process(path: Path, show_progress: Callable[[float], None]) -> Result:
            classifier = networks.get(network_name)
            return components.video_result(jobs.annotate(path, session_id, classifier, show_progress))

        jobs.begin(session_id)
        return process_uploads(uploads, process, progress), None

    with gr.Row(elem_classes="inputs"):
        upload = gr.File(file_types=["video"], label="Videos with faces", **UPLOAD_AREA)
        text = (
            f"Up to {MAX_FILES} videos at once, of at most {max_upload_mb:g} MB together. The first "
            f"{jobs.max_seconds:g} seconds of each are processed, which takes longer than they last."
        )
        add_html(render("hint.html", text=text))
    result = add_html(elem_classes="result-area")
    clear_at_once(upload.upload, result)
    upload.upload(
        recognize_uploads, [upload, network], [result, upload], show_progress_on=result, **VIDEO_EVENT
    )


def clear_at_once(listen: Callable[..., Any], result: gr.HTML) -> None:
    """Remove the result, which may be an error, in the browser when an event starts, not when it has been processed."""
    listen(None, None, result, js="() => ''", queue=False, show_progress="hidden", api_visibility="private")


def process_uploads(
    uploads: list[str],
    process: Callable[[Path, Callable[[float], None]], Result],
    progress: Callable[..., Any],
) -> str:
    """Return the HTML of the results of uploaded files, or of their errors; delete the files in either case.

    Args:
        process: process(path, show_progress), which calls show_progress with the fraction of the file that is done.
        progress: gr.Progress.
    """
    paths = [Path(upload) for upload in uploads]
    results = []
    try:
        for index, path in enumerate(paths[:MAX_FILES]):

            def show_progress(fraction: float, index: int = index, path: Path = path) -> None:
                done = (index + fraction) / min(len(paths), MAX_FILES)
                progress(done, desc=f"Recognizing the faces in {path.name}")

            try:
                show_progress(0.0)
                results.append(process(path, show_progress))
            except (ValueError, OSError) as error:
                results.append(components.error_result(describe_error(error, path)))
            delete_upload(path)
    finally:
        for path in paths:
            delete_upload(path)
    if len(paths) > MAX_FILES:
        text = f"Only the first {MAX_FILES} of {len(paths)} files were processed."
        results.append(components.error_result(text))
    return components.combine_results(results)
