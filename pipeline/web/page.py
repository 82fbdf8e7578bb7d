"""Build the page with Gradio: the choice of the network, and three tabs."""

from pathlib import Path

import gradio as gr

from pipeline.vision.recognition import SharedClassifier
from pipeline.web import tabs
from pipeline.web.networks import Networks
from pipeline.web.sessions import CameraSessions
from pipeline.web.templating import render
from pipeline.web.uploads import describe_error
from pipeline.web.video_jobs import VideoJobs

MAX_EVENTS = 1000  # that wait, of all kinds; the images and the videos have their own limit


def build_page(
    classifier: SharedClassifier,
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
        classifier: the network that is chosen at first.
        video_dir: where the annotated videos are stored.
    """
    networks = Networks(classifier)
    sessions = CameraSessions(tta=tta, smoothing=smoothing, max_sessions=max_sessions)
    jobs = VideoJobs(video_dir, tta=tta, smoothing=smoothing, max_seconds=max_video_seconds)

    def end_session(request: gr.Request) -> None:
        sessions.end(tabs.get_session_id(request))
        jobs.discard(tabs.get_session_id(request))

    with gr.Blocks(title="Facial expressions", analytics_enabled=False) as blocks:
        header, network = add_header(networks)
        with gr.Tabs():
            with gr.Tab("Camera"):
                camera = tabs.add_camera(sessions, networks)
            with gr.Tab("Image"):
                tabs.add_image_tab(networks, network, tta, max_upload_mb)
            with gr.Tab("Video"):
                tabs.add_video_tab(jobs, networks, network, max_upload_mb)
        tabs.add_html(render("footer.html"))
        connect_network(blocks, networks, network, header, camera)
        blocks.unload(end_session)
    return blocks.queue(max_size=MAX_EVENTS, api_open=False)


def add_header(networks: Networks) -> tuple[gr.HTML, gr.Dropdown]:
    """Add the title, and the choice of the network."""
    with gr.Row(elem_classes="top"):
        header = tabs.add_html(render_header(networks, networks.default_name))
        network = gr.Dropdown(
            networks.choices(),
            value=networks.default_name,
            label="Network, and its accuracy",
            filterable=False,
            elem_classes="network",
        )
    return header, network


def connect_network(
    blocks: gr.Blocks, networks: Networks, network: gr.Dropdown, header: gr.HTML, camera: gr.HTML
) -> None:
    """Tell the header and the camera which network is chosen, when the page is opened and after each choice."""

    def choose_network(name: str, request: gr.Request) -> tuple[str, dict[str, str]]:
        """Return the header, and what camera.js sends with each frame."""
        content = render_header(networks, name)
        try:
            networks.get(name)
        except (ValueError, OSError) as error:
            content += render("alert.html", text=describe_error(error))
        return content, {"session_id": tabs.get_session_id(request), "network": name}

    for listen in (blocks.load, network.change):
        listen(choose_network, network, [header, camera], show_progress="hidden", api_visibility="private")


def render_header(networks: Networks, name: str) -> str:
    """Return the title, which network recognizes the faces and how accurate it is."""
    return render("header.html", network=name, accuracy=networks.describe(name))


def is_queue_full(blocks: gr.Blocks, function_index: int, max_queue: int) -> bool:
    """Return whether `max_queue` images wait, for an event with an image, or videos, for one with a video."""
    function = blocks.fns.get(function_index)
    if function is None or function.concurrency_id not in ("images", "videos"):
        return False
    queue = blocks._queue.event_queue_per_concurrency_id.get(function.concurrency_id)
    return queue is not None and len(queue.queue) >= max_queue
