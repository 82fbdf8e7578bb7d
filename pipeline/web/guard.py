"""Serve only what the page uses of Gradio, to the page only.

Gradio serves many endpoints that this page does not need: some give uploads to FFmpeg, others fetch URLs. It also
answers any Host and takes requests of other web sites.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.web.origins import OriginPolicy
from pipeline.web.uploads import MEGABYTE, StorageFullError, UploadStore

UPLOAD_ROUTE, JOIN_ROUTE = "/gradio_api/upload", "/gradio_api/queue/join"
FILE_PREFIX = "/gradio_api/file="
JSON_ROUTES = re.compile(r"/gradio_api/(queue/join|component_server/?)")
READ_ROUTES = re.compile(
    r"/(config|theme\.css|favicon\.ico|manifest\.json|(assets|static)/[\w./+-]+"
    r"|gradio_api/(heartbeat/\w+|queue/data|upload_progress|app_id))?"
)
VIDEO_NAME = re.compile(r"[0-9a-f]{32}\.mp4")
MAX_JSON_BYTES = 4 * MEGABYTE  # a frame of the camera has 0.2 MB
MAX_FORM_OVERHEAD = 1_000_000  # bytes of a request in addition to the file

# Gradio's own page has inline scripts and styles, and compiles the scripts in static/ with `new Function`.
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob: mediastream:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI application around Gradio's, to which it passes only the requests of the page.

    Args:
        app: Gradio's application.
        origins: under which names the page is served.
        uploads: the files of the page.
        video_dir: folder of the annotated videos, which can be downloaded by everyone who knows their names.
        max_upload_mb: size of an upload.
        root_path: path under which a proxy serves the page, which some proxies leave in the requests.
        is_queue_full: is_queue_full(index of an event's function); a full queue refuses the event.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: OriginPolicy,
        uploads: UploadStore,
        video_dir: Path,
        max_upload_mb: float,
        root_path: str = "",
        is_queue_full: Callable[[int], bool] = lambda index: False,
    ):
        self.app, self.origins, self.uploads, self.video_dir = app, origins, uploads, video_dir
        self.max_upload_mb, self.root_path, self.is_queue_full = max_upload_mb, root_path, is_queue_full

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the page has none
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._handle(Request(scope, receive), add_security_headers(send))
        else:
            await self.app(scope, receive, send)

    async def _handle(self, request: Request, send: Send) -> None:
        scope, receive = request.scope, request.receive
        try:
            path = self._check_request(request)
            if path == UPLOAD_ROUTE:
                with self.uploads.reserve(self._check_upload(request)):
                    await self.app(scope, receive, send)
                return
            if request.method == "POST":
                receive = replay(await self._read_json(request, path), request.receive)
            await self.app(scope, receive, send)
        except HTTPException as refusal:
            response = PlainTextResponse(refusal.detail, refusal.status_code, {"connection": "close"})
            await response(scope, receive, send)
        except StorageFullError as error:
            await PlainTextResponse(str(error), 507, {"connection": "close"})(scope, receive, send)

    def _check_request(self, request: Request) -> str:
        """Return the route of a request; raise HTTPException unless it is one of the page's."""
        path = request.scope["path"]
        if self.root_path.startswith("/") and path.startswith(f"{self.root_path.rstrip('/')}/"):
            path = path[len(self.root_path.rstrip("/")) :]
        fault = self.origins.find_fault(request.headers, is_navigation=path == "/")
        if fault:
            raise HTTPException(403, fault)
        if not self._is_route(request.method, path):
            raise HTTPException(404, "Not found.")
        # Gradio would take this for the address of the page.
        headers = [(name, value) for name, value in request.scope["headers"] if name != b"x-gradio-server"]
        request.scope["headers"] = headers
        return path

    def _is_route(self, method: str, path: str) -> bool:
        if method == "POST":
            return path == UPLOAD_ROUTE or bool(JSON_ROUTES.fullmatch(path))
        if method not in ("GET", "HEAD"):
            return False
        if path.startswith(FILE_PREFIX):
            video = PurePosixPath(path.removeprefix(FILE_PREFIX))
            is_video = str(video.parent) == self.video_dir.as_posix() and VIDEO_NAME.fullmatch(video.name)
            if is_video:
                self.uploads.keep(str(video))
            return bool(is_video)
        return ".." not in path and bool(READ_ROUTES.fullmatch(path))

    def _check_upload(self, request: Request) -> int:
        """Return the length of an upload in bytes; refuse a large one, or one of unknown length, before it is read."""
        if media_type(request) != "multipart/form-data":
            raise HTTPException(415, "An upload must be multipart/form-data.")
        max_bytes = round(self.max_upload_mb * MEGABYTE) + MAX_FORM_OVERHEAD
        return check_length(request, max_bytes, f"The upload exceeds the limit of {self.max_upload_mb:g} MB.")

    async def _read_json(self, request: Request, path: str) -> bytes:
        """Return the body of an event, whose files are all uploads."""
        if media_type(request) != "application/json":  # browsers let other web sites send text/plain
            raise HTTPException(415, "The request must be application/json.")
        check_length(request, MAX_JSON_BYTES, "The request is too large.")
        try:
            body = json.loads(await request.body())
            paths = find_paths(body)
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "The request is not valid JSON.") from error
        if not isinstance(body, dict):
            raise HTTPException(400, "The request is not a JSON object.")
        if not all(isinstance(file, str) and self.uploads.contains(file) for file in paths):
            raise HTTPException(400, "The request names a file that is not an upload.")
        if (
            path == JOIN_ROUTE
            and isinstance(body.get("fn_index"), int)
            and self.is_queue_full(body["fn_index"])
        ):
            raise HTTPException(503, "Too many files are waiting. Try again later.")
        for file in paths:
            self.uploads.keep(file)
        return json.dumps(body).encode()  # what was checked, even if keys were given twice


def media_type(request: Request) -> str:
    """Return the content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_length(request: Request, max_bytes: int, message: str) -> int:
    """Return a request's Content-Length; raise HTTPException with `message` if it is missing or above `max_bytes`."""
    length = request.headers.get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,15}", length) or int(length) > max_bytes:
        raise HTTPException(413, message)
    return int(length)


def find_paths(value: Any) -> list[Any]:
    """Return the values of all keys "path" in JSON; Gradio takes an object with one for a file."""
    if isinstance(value, list):
        return [path for item in value for path in find_paths(item)]
    if not isinstance(value, dict):
        return []
    nested = [path for item in value.values() for path in find_paths(item)]
    return [value["path"], *nested] if "path" in value else nested


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that gives `body` as the whole request, and then what `receive` gives."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def add_security_headers(send: Send) -> Send:
    """Return a function that sends a response with SECURITY_HEADERS."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SECURITY_HEADERS)
        await send(message)

    return send_with_headers
