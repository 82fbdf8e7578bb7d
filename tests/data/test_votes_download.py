"""The votes are downloaded once and checked; another content is refused and not kept. A local server stands in."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.data import votes_download
from pipeline.data.votes_download import download_votes

CONTENT = b"Usage,Image name,neutral\nTraining,fer0000000.png,4\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serve CONTENT, and other content at other paths."""

    def do_GET(self):
        self.server.requests.append(self.path)
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        content = {"/other": CONTENT.upper(), "/cut": CONTENT[:9]}.get(self.path, CONTENT)
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url_of(server: ThreadingHTTPServer, name: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


def test_the_file_is_downloaded_once(server, tmp_path):
    path = tmp_path / "fer2013new.csv"
    for _ in range(2):
        assert download_votes(path, url_of(server, "votes"), SHA256) == path
        assert path.read_bytes() == CONTENT
    assert server.requests == ["/votes"]


@pytest.mark.parametrize("name", ["other", "cut", "missing"])
def test_another_content_is_refused_and_not_kept(server, tmp_path, name):
    with pytest.raises(ValueError, match="microsoft/FERPlus manually"):
        download_votes(tmp_path / "fer2013new.csv", url_of(server, name), SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_an_error_with_a_remedy(server, tmp_path):
    url = url_of(server, "votes")
    server.server_close()
    with pytest.raises(ValueError, match="microsoft/FERPlus manually"):
        download_votes(tmp_path / "fer2013new.csv", url, SHA256)


@pytest.mark.parametrize("content", [b"", b"mine", CONTENT + b"\n"])
def test_an_existing_file_of_another_content_is_kept_and_named(server, tmp_path, content):
    path = tmp_path / "fer2013new.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"--votes fer2013new\.csv"):
        download_votes(path, url_of(server, "votes"), SHA256)
    assert path.read_bytes() == content and server.requests == []


def test_the_expected_file_is_that_of_the_public_repository():
    assert votes_download.URL.startswith("https://raw.githubusercontent.com/microsoft/FERPlus/")
    assert len(votes_download.SHA256) == 64
