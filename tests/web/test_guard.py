"""Test which requests reach Gradio, with the real page."""

import importlib.util
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import TIMEOUT_S

from pipeline.web.guard import MAX_JSON_BYTES, find_paths
from pipeline.web.uploads import MAX_IDLE_S, MEGABYTE, UploadStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="gradio is not installed"),
]
MAX_UPLOAD_MB, MAX_STORED_MB, MAX_QUEUE = 1, 2, 2
UPLOAD, JOIN = "/gradio_api/upload", "/gradio_api/queue/join"


@dataclass
class Page:
    """The page's application, with a client that calls it without a server."""

    client: object
    folder: Path
    blocks: object

    def upload(self, name: str = "me.png", content: bytes = b"pixels", **headers: str):
        return self.client.post(UPLOAD, files={"files": (name, content)}, headers=headers)

    def join(self, path: object, function: int = 0, **headers: str):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        inputs = [[file], "Compact_votes", False]  # of a video, the first two
        body = {"data": inputs, "fn_index": function, "session_hash": "tab"}
        return self.client.post(JOIN, json=body, headers=headers)

    def function(self, concurrency_id: str) -> int:
        return next(index for index, fn in self.blocks.fns.items() if fn.concurrency_id == concurrency_id)

    def function_without_queue(self) -> int:
        """Return the index of the function that each tab calls when it is opened."""
        return next(index for index, fn in self.blocks.fns.items() if fn.name == "choose_network")


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def page(classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_TEMP_DIR", str(folder))
        environment.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        environment.setattr("tempfile.tempdir", str(folder))
        from starlette.testclient import TestClient

        from pipeline.web.address import Address
        from pipeline.web.page import build_page
        from pipeline.web.server import create_app

        limits = {"max_upload_mb": MAX_UPLOAD_MB, "max_video_seconds": 5, "max_sessions": 2}
        blocks = build_page(classifier, folder / "videos", tta=1, smoothing=0.4, **limits)
        uploads = UploadStore(folder, MAX_STORED_MB * MEGABYTE)
        limits = {"max_upload_mb": MAX_UPLOAD_MB, "max_queue": MAX_QUEUE}
        app = create_app(blocks, Address("127.0.0.1", 7860), uploads, folder / "videos", **limits)
        with TestClient(app, base_url="http://127.0.0.1:7860") as client:
            yield Page(client, folder, blocks)


def test_page_is_served_with_security_headers(page):
    response = page.client.get("/")
    assert response.status_code == 200 and "Facial expressions" in response.text
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert page.client.get("/config").status_code == page.client.get("/theme.css").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/process_recording/"),
        ("GET", "/gradio_api/proxy=http://evil.example/a"),
        ("GET", "/gradio_api/file=http://evil.example/a"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/call/predict"),
        ("POST", "/gradio_api/stream/x"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/reset"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/monitoring"),
        ("GET", "/docs"),
        ("POST", "/login"),
        ("GET", "/login_check"),
        ("GET", "/custom_component/a/client/component/index.js"),
        ("GET", "/static/..%2f..%2froutes.py"),
        ("GET", "//gradio_api/info"),
        ("PUT", "/"),
        ("DELETE", UPLOAD),
        ("OPTIONS", "/"),
    ],
)
def test_what_the_page_does_not_use_is_not_served(page, method, path):
    assert page.client.request(method, path).status_code == 404


def test_websockets_are_refused(page):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), page.client.websocket_connect("/gradio_api/queue/data"):
        pass


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"x-forwarded-host": "evil.example"},
    ],
    ids=str,
)
def test_requests_of_other_sites_neither_store_nor_read_anything(page, headers):
    before = list(page.folder.rglob("*"))
    responses = [
        page.client.get("/", headers=headers),
        page.client.get("/config", headers=headers),
        page.client.options(UPLOAD, headers=headers | {"access-control-request-method": "POST"}),
        page.upload(**headers),
        page.join("a.png", **headers),
        page.client.post("/gradio_api/component_server/", json={}, headers=headers),
    ]
    assert {response.status_code for response in responses} == {403}
    assert not any("access-control-allow-origin" in response.headers for response in responses)
    assert list(page.folder.rglob("*")) == before


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "text/json"])
@pytest.mark.parametrize("path", [JOIN, "/gradio_api/component_server", "/gradio_api/component_server/"])
def test_json_of_another_type_is_refused(page, path, content_type):
    body = json.dumps({"data": [], "fn_index": 0, "session_hash": "tab"})
    response = page.client.post(path, content=body, headers={"content-type": content_type})
    assert response.status_code == 415


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_body_that_is_not_a_json_object_is_refused(page, body):
    response = page.client.post(JOIN, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400


def test_body_that_is_too_large_or_of_unknown_length_is_refused(page):
    headers = {"content-type": "application/json"}
    large = b" " * (MAX_JSON_BYTES + 1)
    assert page.client.post(JOIN, content=large, headers=headers).status_code == 413
    assert page.client.post(JOIN, content=iter([b"{}"]), headers=headers).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["http://127.0.0.1:9/a.png", "https://evil.example/a.png", "/etc/passwd", "a.png", "", None, 1, ["a"]],
)
def test_file_that_is_not_an_upload_is_refused(page, path, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("Gradio fetched a URL")

    monkeypatch.setattr("gradio.processing_utils.save_url_to_cache", fail)
    assert page.join(path, page.function("images")).status_code == 400


def test_upload_is_processed(page):
    (path,) = page.upload().json()
    assert Path(path).is_relative_to(page.folder) and page.join(path, page.function("images")).is_success
    wait_until(lambda: not Path(path).exists())


def test_upload_of_another_type_is_refused(page):
    headers = {"content-type": "text/plain"}
    assert page.client.post(UPLOAD, content=b"x", headers=headers).status_code == 415


def test_uploads_beyond_the_total_are_refused_and_old_ones_make_room(page):
    content = os.urandom(int(0.8 * MEGABYTE))
    paths = [Path(page.upload(f"{index}.png", content).json()[0]) for index in range(2)]
    assert page.upload("third.png", content).status_code == 507
    for path in paths:
        os.utime(path, (time.time() - MAX_IDLE_S - 1,) * 2)
    assert page.upload("third.png", content).is_success
    assert not any(path.exists() for path in paths)


def test_only_annotated_videos_can_be_downloaded(page):
    (page.folder / "videos").mkdir(exist_ok=True)
    name = "0123456789abcdef" * 2
    for file in (f"{name}.mp4", f"{name}.png", "notes.mp4"):
        (page.folder / "videos" / file).write_bytes(b"x")
    (page.folder / f"{name}.mp4").write_bytes(b"x")
    folder = f"/gradio_api/file={page.folder.as_posix()}"
    assert page.client.get(f"{folder}/videos/{name}.mp4").status_code == 200
    others = (f"videos/{name}.png", "videos/notes.mp4", f"{name}.mp4", f"videos/../{name}.mp4")
    assert {page.client.get(f"{folder}/{other}").status_code for other in others} == {404}


def test_videos_that_wait_do_not_keep_images_waiting(page, monkeypatch):
    may_end = threading.Event()

    def process(uploads: list[str], process, progress) -> str:
        (path,) = map(Path, uploads)
        if path.suffix == ".mp4":
            may_end.wait(60)
        path.unlink()
        return ""

    monkeypatch.setattr("pipeline.web.tabs.process_uploads", process)
    images, videos = page.function("images"), page.function("videos")
    try:
        paths = [page.upload(f"{index}.mp4").json()[0] for index in range(MAX_QUEUE + 2)]
        assert page.join(paths[0], videos).is_success
        wait_until(lambda: not page.blocks._queue.event_queue_per_concurrency_id["videos"].queue)
        assert [page.join(path, videos).status_code for path in paths[1:]] == [200] * MAX_QUEUE + [503]
        image = page.upload("a.png").json()[0]
        assert page.join(image, images).is_success
        wait_until(lambda: not Path(image).exists())
        load = {
            "data": ["Compact_votes"],
            "fn_index": page.function_without_queue(),
            "session_hash": "new tab",
        }
        assert page.client.post(JOIN, json=load).is_success
    finally:
        may_end.set()


def test_paths_are_found_at_any_depth():
    body = {"data": [{"path": "a"}, [[{"x": {"path": "b"}}]]], "event_data": {"path": {"path": "c"}}}
    assert find_paths(body) == ["a", "b", {"path": "c"}, "c"]
