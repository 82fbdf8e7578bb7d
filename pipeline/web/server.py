"""Serve the page until it is interrupted."""

import webbrowser
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Base
from starlette.middleware import Middleware

from pipeline.web.templating import read_static
from pipeline.web.uploads import MEGABYTE, UploadLimit

FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "sans-serif",
)  # all installed; none is downloaded
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def serve(
    blocks: gr.Blocks,
    video_dir: Path,
    *,
    host: str,
    port: int,
    certificate: str = "",
    key: str = "",
    root_path: str = "",
    max_upload_mb: float,
    open_browser: bool = False,
) -> None:
    """Serve the page until Ctrl-C; the arguments are the settings of Webcam_page.py.

    Args:
        video_dir: its files can be downloaded by everyone who knows their names.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
    """
    options: dict[str, Any] = {
        "server_name": host,
        "server_port": port,
        "ssl_certfile": certificate or None,
        "ssl_keyfile": key or None,
        "root_path": root_path or None,
        "max_file_size": round(max_upload_mb * MEGABYTE),
        "app_kwargs": {"middleware": [Middleware(UploadLimit, max_upload_mb=max_upload_mb)]},
        "allowed_paths": [str(video_dir)],
    }
    address = _launch(blocks, options)
    print(f"  open {address}", flush=True)
    if host not in LOCAL_HOSTS:
        print("  Everyone who can reach this machine can open the page.", flush=True)
    print("  Press Ctrl-C to stop.", flush=True)
    if open_browser:
        webbrowser.open(address)
    try:
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


def _launch(blocks: gr.Blocks, options: dict[str, Any]) -> str:
    """Start the server in a thread and return its address. Whatever Gradio does beyond this page is turned off."""
    try:
        _, address, _ = blocks.launch(
            **options,
            theme=Base(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=("monospace",)),
            css=read_static("page.css"),
            ssl_verify=False,  # applies only to Gradio's check of its own server; certificates may be self-signed
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
        host, port = options["server_name"], options["server_port"]
        raise OSError(
            f"Cannot serve at {host}, port {port}: the port is in use, or the host is not an address of this machine. "
            "Try another port: --port 8080"
        ) from error
    return address
