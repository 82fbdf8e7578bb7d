"""Serve the page until it is interrupted."""

import logging
import signal
import socket
import webbrowser
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.themes import Base
from starlette.types import ASGIApp

from pipeline.web.address import Address, print_address
from pipeline.web.guard import Guard
from pipeline.web.page import is_queue_full
from pipeline.web.templating import read_static
from pipeline.web.uploads import MEGABYTE, UploadStore

FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "sans-serif",
)  # all installed; none is downloaded
SHUTDOWN_TIMEOUT_S = 1  # for the requests in progress, among which are those that wait for results


def create_app(
    blocks: gr.Blocks,
    address: Address,
    uploads: UploadStore,
    video_dir: Path,
    *,
    max_upload_mb: float,
    max_queue: int,
) -> ASGIApp:
    """Return the application that serves the page. Whatever Gradio does beyond this page is turned off.

    Args:
        video_dir: its files can be downloaded by everyone who knows their names.
    """
    app = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        blocks,
        path="",
        root_path=address.root_path or None,
        max_file_size=round(max_upload_mb * MEGABYTE),
        allowed_paths=[str(video_dir)],
        theme=Base(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=("monospace",)),
        css=read_static("page.css"),
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        footer_links=[],
    )
    return Guard(
        app,
        origins=address.origins,
        uploads=uploads,
        video_dir=video_dir,
        max_upload_mb=max_upload_mb,
        root_path=address.root_path,
        is_queue_full=lambda index: is_queue_full(blocks, index, max_queue),
    )


def serve(app: ASGIApp, address: Address, *, open_browser: bool = False) -> None:
    """Serve the application until Ctrl-C, SIGTERM or SIGHUP.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
    """
    config = uvicorn.Config(
        app,
        ssl_certfile=address.certificate or None,
        ssl_keyfile=address.key or None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    with bind(address) as listener:
        print_address(address)
        print("  Press Ctrl-C to stop.", flush=True)
        if open_browser:
            webbrowser.open(address.url)
        _terminate_on_hangup()
        Server(config).run(sockets=[listener])


class Server(uvicorn.Server):
    """A server that prints no traceback for each tab that is open when it ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def _terminate_on_hangup() -> None:
    """Treat SIGHUP, of a terminal that is closed, as SIGTERM, which uvicorn handles, unless it is ignored (nohup)."""
    number = getattr(signal, "SIGHUP", None)  # Windows has none
    if number and signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))


def bind(address: Address) -> socket.socket:
    """Return a socket that listens at an address; raises as `serve` does."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise OSError(
            f"Cannot serve at {address.host}, port {address.port}: the port is in use, or the host is not an address "
            "of this machine. Try another port: --port 8080"
        ) from error
