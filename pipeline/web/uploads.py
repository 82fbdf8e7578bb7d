"""Limit the size of uploads, delete them after use, and describe errors without their temporary folder."""

from collections.abc import Callable
from pathlib import Path

from pipeline.workflow.errors import format_error

from pipeline.workflow.formatting import printable

MEGABYTE = 2**20  # bytes, as Gradio counts them
MAX_FORM_OVERHEAD = 1_000_000  # bytes of a request in addition to the file


class UploadLimit:
    """ASGI middleware that refuses a large request, or one of unknown length, before reading its body."""

    def __init__(self, app: Callable, max_upload_mb: float):
        self.app, self.max_upload_mb = app, max_upload_mb
        self.max_bytes = round(max_upload_mb * MEGABYTE) + MAX_FORM_OVERHEAD

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit() or int(length) > self.max_bytes:
                headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
                body = f"The upload exceeds the limit of {self.max_upload_mb:g} MB.".encode()
                await send({"type": "http.response.start", "status": 413, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self.app(scope, receive, send)


def delete_upload(path: Path) -> None:
    """Delete an uploaded file and the folder that Gradio created for it."""
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def describe_error(error: Exception, upload: Path | None = None) -> str:
    """Return an error's message for the page, with the name of the upload instead of its path on the server."""
    message = f"{error} is missing." if isinstance(error, KeyError) else format_error(error)
    return printable(message.replace(str(upload), upload.name) if upload else message)
