"""Test Webcam_page.py's settings, and the server as another program sees it."""

import importlib.util
import json
import signal
import socket
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2
import pytest
from helpers import TIMEOUT_S

from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.settings import check_value
from Webcam_page import Settings, main, validate_certificate

HAS_GRADIO = importlib.util.find_spec("gradio") is not None
needs_gradio = pytest.mark.skipif(not HAS_GRADIO, reason="gradio is not installed")


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 70_000), ("port", 0), ("max_upload_mb", 0), ("max_sessions", -1), ("smoothing", -0.1)],
)
def test_setting_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=r"at least|at most|greater"):
        check_value(value, Settings.__annotations__[name])


def test_total_of_uploads_below_the_size_of_one_is_refused():
    with pytest.raises(ValueError, match="max_stored_mb"):
        main(Settings(max_upload_mb=600), ArtifactStore())


@pytest.mark.parametrize(
    ("certificate", "key", "error", "message"),
    [
        ("page.crt", "", ValueError, "--key"),
        ("none.crt", "none.key", FileNotFoundError, r"none\.crt"),
        (__file__, __file__, ValueError, "PEM"),
    ],
)
def test_invalid_certificate_is_refused(certificate, key, error, message):
    with pytest.raises(error, match=message):
        validate_certificate(certificate, key)


@pytest.mark.slow
def test_missing_gradio_is_explained(project):
    (project.root / "gradio.py").write_text("raise ModuleNotFoundError('No module', name='gradio')")
    output = project.run("Webcam_page.py", status=1, fork=False)
    assert "gradio" in output and '".[page]"' in output
    assert "Traceback" not in output


@pytest.mark.slow
@needs_gradio
def test_missing_model_is_explained(project):
    output = project.run("Webcam_page.py", "--model", "nowhere.tflite", status=1)
    assert "nowhere.tflite" in output and "Traceback" not in output


@pytest.mark.slow
@needs_gradio
def test_port_in_use_is_explained(project):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        output = project.run("Webcam_page.py", "--port", listener.getsockname()[1], status=1)
    assert "--port 8080" in output and "Traceback" not in output


@pytest.mark.slow
def test_default_host_serves_this_machine_only(server):
    assert not any("Everyone" in line for line in server.lines)
    with socket.socket() as client:
        # 127.0.0.2 is another address of this machine, like its address in the network.
        assert client.connect_ex(("127.0.0.2", server.port)), "the page is served at other addresses, too"


@pytest.mark.slow
def test_request_that_is_too_large_is_refused_before_it_is_read(server):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = Request(f"{server.url}gradio_api/upload", data=b"x" * 4_100_000, headers=headers)
    with pytest.raises((HTTPError, OSError)) as caught:
        urlopen(request, timeout=30)
    if isinstance(caught.value, HTTPError):
        assert caught.value.code == 413 and b"2 MB" in caught.value.read()
    assert not server.stored_files()


@pytest.mark.slow
def test_path_that_was_not_uploaded_is_neither_read_nor_deleted(server, tmp_path, photograph):
    cv2.imwrite(str(tmp_path / "private.png"), photograph)
    config = json.load(urlopen(f"{server.url}config", timeout=30))
    uploads = [event for event in config["dependencies"] if event["targets"][0][1] == "upload"]
    functions = [event["id"] for event in uploads if event["backend_fn"]]
    assert len(functions) == 2
    for function in functions:
        file_data = {"path": str(tmp_path / "private.png"), "meta": {"_type": "gradio.FileData"}}
        event = {"data": [file_data], "fn_index": function, "session_hash": "stranger"}
        body, headers = json.dumps(event).encode(), {"Content-Type": "application/json"}
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(f"{server.url}gradio_api/queue/join", data=body, headers=headers), timeout=30)
        assert caught.value.code == 400
    assert (tmp_path / "private.png").is_file()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signals")
@needs_gradio
@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])  # the fixture `server` ends with SIGTERM
def test_signal_ends_the_page_and_deletes_its_files(own_server, name):
    server = own_server
    upload = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\npixels\r\n--x--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    urlopen(Request(f"{server.url}gradio_api/upload", data=upload, headers=headers), timeout=30)
    assert server.stored_files()
    with urlopen(f"{server.url}gradio_api/heartbeat/tab", timeout=30):  # as of a tab that is open
        server.process.send_signal(getattr(signal, name))
        output, _ = server.process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in output and not list(server.temporary.iterdir())
