"""What Webcam_page.py shows: its fragments of HTML, all numbers and colors of which come from here, and its server.

How it looks stands in page.css, and what the camera does in page.js. Nothing is fetched from anywhere else: no fonts,
no scripts, no statistics; what is shown of a picture travels within the page itself.
"""

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Base
from starlette.middleware import Middleware

from pipeline.web.components import HERE
from pipeline.web.private_storage import PRIVATE_DIR
from pipeline.workflow.formatting import printable

FORM_OVERHEAD_BYTES = 1_000_000  # bytes of a request around the file in it
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MEGABYTE = 2**20  # bytes, as Gradio counts them


def serve(blocks: gr.Blocks, settings: Any) -> None:
    """Serve the page until Ctrl-C. Raises OSError where the port is taken."""
    try:
        _, address, _ = blocks.launch(
            server_name=settings.host,
            server_port=settings.port,
            ssl_certfile=settings.certificate or None,
            ssl_keyfile=settings.key or None,
            ssl_verify=False,  # it only asks itself whether it is up, and people make certificates themselves
            root_path=settings.root_path or None,
            max_file_size=round(settings.largest * MEGABYTE),
            app_kwargs={
                "middleware": [
                    Middleware(UploadLimit, most=round(settings.largest * MEGABYTE) + FORM_OVERHEAD_BYTES)
                ]
            },
            allowed_paths=[str(PRIVATE_DIR / "films")],
            theme=Base(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=("monospace",)),
            css=(HERE / "static" / "page.css").read_text(encoding="utf-8"),
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            footer_links=[],
        )
    except OSError as error:
        raise OSError(
            f"Nothing can be served at {settings.host}, port {settings.port}: it is taken, or no address of this "
            "machine. Try another port: --port 8080"
        ) from error
    print(f"  open {address}", flush=True)
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        print("  Whoever can reach this machine can open it.", flush=True)
    print("  Ctrl-C ends it.", flush=True)
    if settings.browser:
        webbrowser.open(address)
    try:
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


class UploadLimit:
    """Refuses whatever comes with more than `most` bytes, or without saying how many, before any of it is read."""

    def __init__(self, app: Callable, most: int):
        self.app, self.most = app, most

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit() or int(length) > self.most:
                alert = (
                    f"A file may have {(self.most - FORM_OVERHEAD_BYTES) / MEGABYTE:g} MB at most.".encode()
                )
                headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
                await send({"type": "http.response.start", "status": 413, "headers": headers})
                await send({"type": "http.response.body", "body": alert})
                return
        await self.app(scope, receive, send)


def delete_upload(path: Path) -> None:
    """Remove an uploaded file and the folder that Gradio made for it."""
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def error_message(error: Exception, path: Path | None = None) -> str:
    """An error as the page tells it: without the folder in which an uploaded file lies for a while."""
    told = str(error) if not isinstance(error, KeyError) else f"{error} is missing."
    return printable(told.replace(str(path), path.name) if path else told)
