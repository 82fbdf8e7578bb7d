"""Webcam_page.py in a real browser whose camera is a file: what people see, and what stays where it is."""

import base64
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest
from helpers import create_project

from pipeline.inference.classifier import EmotionClassifier
from pipeline.models import model_zoo
from pipeline.vision import results_table
from pipeline.web.sessions import IDLE_TIMEOUT_S, CameraSessions, CapacityError, LockedClassifier
from pipeline.web.video_jobs import VideoJobs

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
HAS_GRADIO = importlib.util.find_spec("gradio") is not None
needs_gradio = pytest.mark.skipif(not HAS_GRADIO, reason="python -m pip install -r requirements-page.txt")
SECONDS = 2.0  # from the start of the camera to the first label
MEGABYTES = 2  # that the page takes


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """A smiling woman, (480, 640, 3) uint8 BGR, as OpenCV has it."""
    from skimage import data

    face = cv2.resize(data.astronaut(), (480, 480), interpolation=cv2.INTER_AREA)[..., ::-1]
    return cv2.copyMakeBorder(face, 0, 0, 80, 80, cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def files(tmp_path_factory, photograph) -> Path:
    """A folder with what people upload, and what the camera sees."""
    folder = tmp_path_factory.mktemp("files")
    cv2.imwrite(str(folder / "smile.png"), photograph)
    (folder / "notes.jpg").write_text("This is no picture.")
    (folder / "large.jpg").write_bytes(b"\xff" * (MEGABYTES * 2**20 + 1))
    frame = cv2.imencode(".jpg", photograph)[1].tobytes()
    (folder / "camera.mjpeg").write_bytes(frame * 30)
    video = cv2.VideoWriter(str(folder / "smile.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (640, 480))
    for shift in range(12):
        video.write(np.roll(photograph, shift, axis=1))
    video.release()
    return folder


# --------------------------------------------------------------------------------------------------
# Cameras, without a server
# --------------------------------------------------------------------------------------------------
def as_sent(picture: np.ndarray) -> str:
    """A picture as a browser sends it."""
    return f"data:image/jpeg;base64,{base64.b64encode(cv2.imencode('.jpg', picture)[1]).decode()}"


def cameras(most: int) -> CameraSessions:
    return CameraSessions(
        LockedClassifier(EmotionClassifier(model_zoo.FASTEST_MODEL)), tta=1, smoothing=0.4, most=most
    )


def test_a_camera_too_many_waits_until_another_is_done(photograph):
    visitors, frame = cameras(most=1), as_sent(photograph)
    assert [face.emotion for face in visitors.look("one", frame).faces] == ["Happy"]
    with pytest.raises(CapacityError, match="1 camera"):
        visitors.look("other", frame)
    visitors.forget("one")
    assert visitors.look("other", frame).faces and not visitors.rows("one")


def test_a_camera_that_has_been_idle_makes_room(photograph):
    visitors, frame = cameras(most=1), as_sent(photograph)
    visitors.look("one", frame)
    visitors.known["one"].started -= IDLE_TIMEOUT_S + 1
    assert visitors.look("other", frame).faces


@pytest.mark.parametrize(
    "sent", ["", "data:image/jpeg;base64,", "data:,!!", "data:;base64,R0lGODlhAQABAAAAACw="]
)
def test_what_is_no_frame_is_a_sentence(sent):
    with pytest.raises(ValueError, match="no picture"):
        cameras(most=1).look("one", sent)


def test_a_frame_too_large_is_refused_unread():
    with pytest.raises(ValueError, match="1280 pixels"):
        cameras(most=1).look("one", as_sent(np.zeros((1, 1281, 3), np.uint8)))


def test_many_threads_are_answered_as_one_is(photograph):
    visitors, frame = cameras(most=8), as_sent(photograph)
    alone = visitors.look("alone", frame).faces[0].probabilities
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda tab: visitors.look(str(tab % 4), frame), range(24)))
    for seen in together:
        np.testing.assert_allclose(seen.faces[0].probabilities, alone, atol=1e-5)
    assert {row["face"] for row in visitors.rows("0")} == {1}


# --------------------------------------------------------------------------------------------------
# Videos, without a server
# --------------------------------------------------------------------------------------------------
def films(folder: Path, longest: float = 60) -> VideoJobs:
    return VideoJobs(
        folder,
        LockedClassifier(EmotionClassifier(model_zoo.FASTEST_MODEL)),
        tta=1,
        smoothing=0.4,
        longest=longest,
    )


def test_of_a_long_video_the_beginning_is_looked_at(files, tmp_path):
    film = films(tmp_path, longest=0.2).make(files / "smile.mp4", "tab", lambda share: None)
    assert not film.whole and film.seconds == pytest.approx(0.2)
    assert [row["frame"] for row in film.rows] == [1, 2, 3, 4, 5, 6]


def test_a_tab_has_one_video(files, tmp_path):
    made = films(tmp_path)
    first, second = (made.make(files / "smile.mp4", "tab", lambda share: None) for _ in range(2))
    assert first.whole and list(tmp_path.iterdir()) == [second.path]


def test_nothing_is_left_of_a_video_whose_tab_is_closed_meanwhile(files, tmp_path):
    made = films(tmp_path)
    with pytest.raises(ValueError, match="page was closed"):
        made.make(files / "smile.mp4", "tab", lambda share: made.forget("tab"))
    assert not list(tmp_path.iterdir())


# --------------------------------------------------------------------------------------------------
# The server
# --------------------------------------------------------------------------------------------------
@dataclass
class Served:
    """A page that is served, and the folder that is all it may write to."""

    process: object
    address: str
    temporary: Path
    elsewhere: socket.socket
    printed: list[str] = field(default_factory=list)

    def files(self) -> list[Path]:
        """What lies there that has any content."""
        return [path for path in self.temporary.rglob("*") if path.is_file() and path.stat().st_size]

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM if os.name != "nt" else signal.CTRL_C_EVENT)
        rest, _ = self.process.communicate(timeout=60)
        self.printed += rest.splitlines()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def serve(project, temporary: Path, *arguments: object) -> Served:
    temporary.mkdir()
    port = free_port()
    elsewhere = socket.create_server(("127.0.0.1", 0))  # whatever is asked of another machine goes here
    proxy = f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(temporary))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            environment.setenv(name, proxy)
            environment.setenv(name.lower(), proxy)
        environment.setenv("NO_PROXY", "127.0.0.1,localhost")
        environment.setenv("no_proxy", "127.0.0.1,localhost")
        process = project.start("Webcam_page.py", "--port", port, *arguments)
    served = Served(process, f"http://127.0.0.1:{port}/", temporary, elsewhere)
    for line in process.stdout:
        served.printed.append(line.rstrip())
        if "Ctrl-C ends it" in line:
            return served
    raise AssertionError("\n".join(served.printed))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    if not HAS_GRADIO:
        pytest.skip("python -m pip install -r requirements-page.txt")
    folder = tmp_path_factory.mktemp("served")
    served = serve(create_project(folder / "a project"), folder / "temporary", "--largest", MEGABYTES)
    yield served
    if served.process.poll() is None:
        served.end()
    said = "\n".join(served.printed)
    strangers = said.count("was not uploaded by a user")  # at whom Gradio shakes its head at length
    assert said.count("Traceback") == strangers and "Warning" not in said, said
    assert not list(served.temporary.iterdir()), "something is kept after the end"
    served.elsewhere.setblocking(False)
    with pytest.raises(BlockingIOError):  # nobody has asked
        served.elsewhere.accept()
    served.elsewhere.close()


@pytest.mark.skipif(HAS_GRADIO, reason="Gradio is here")
def test_without_its_package_the_page_says_how_to_install_it(project):
    printed = project.run("Webcam_page.py", status=1)
    assert "has no gradio" in printed and "pip install -r requirements-page.txt" in printed
    assert "Traceback" not in printed


@needs_gradio
def test_a_package_that_is_missing_is_told_how_to_be_installed(project):
    """As above, where Gradio is there: by a module of that name that fails as a missing one does."""
    (project.root / "gradio.py").write_text("raise ModuleNotFoundError('No module', name='gradio')")
    printed = project.run("Webcam_page.py", status=1)
    assert "has no gradio" in printed and "pip install -r requirements-page.txt" in printed
    assert "Traceback" not in printed


@needs_gradio
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--model", "nowhere.tflite"), "nowhere.tflite is not there"),
        (("--port", 70_000), "port is 70000"),
        (("--largest", 0), "largest is 0"),
        (("--certificate", "page.crt"), "needs its key"),
        (("--certificate", __file__, "--key", __file__), "no certificate and its key"),
    ],
)
def test_what_cannot_be_is_a_sentence(project, arguments, sentence):
    printed = project.run("Webcam_page.py", *arguments, status=1)
    assert sentence in printed and "Traceback" not in printed


@needs_gradio
def test_a_taken_port_is_a_sentence(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        printed = project.run("Webcam_page.py", "--port", taken.getsockname()[1], status=1)
    assert "Try another port" in printed and "Traceback" not in printed


def test_only_this_machine_is_answered(served):
    assert not any("Whoever" in line for line in served.printed)
    port = int(served.address.rstrip("/").rpartition(":")[2])
    with socket.socket() as other:
        # Another address of this machine stands in for the network's.
        assert other.connect_ex(("127.0.0.2", port)), "the page is served at other addresses, too"


def test_too_large_a_request_is_refused_before_it_is_read(served):
    request = Request(f"{served.address}gradio_api/upload", data=b"x" * (MEGABYTES * 2**20 + 2_000_000))
    with pytest.raises((HTTPError, ConnectionError, OSError)) as refused:
        urlopen(request, timeout=30)
    if isinstance(refused.value, HTTPError):
        assert refused.value.code == 413 and b"2 MB at most" in refused.value.read()
    assert not served.files()


def test_a_file_that_was_not_uploaded_is_neither_read_nor_removed(served, tmp_path, photograph):
    cv2.imwrite(str(tmp_path / "private.png"), photograph)
    config = json.load(urlopen(f"{served.address}config", timeout=30))
    uploads = [one["id"] for one in config["dependencies"] if one["targets"][0][1] == "upload"]
    assert len(uploads) == 2
    for function in uploads:
        told = {"path": str(tmp_path / "private.png"), "meta": {"_type": "gradio.FileData"}}
        asked = {"data": [told], "fn_index": function, "session_hash": "stranger"}
        body, kind = json.dumps(asked).encode(), {"Content-Type": "application/json"}
        urlopen(Request(f"{served.address}gradio_api/queue/join", data=body, headers=kind), timeout=30)
        with urlopen(f"{served.address}gradio_api/queue/data?session_hash=stranger", timeout=60) as events:
            answer = next(line for line in events if b"process_completed" in line)
        assert json.loads(answer.removeprefix(b"data: "))["success"] is False
    assert (tmp_path / "private.png").is_file()


# --------------------------------------------------------------------------------------------------
# In a browser
# --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def browser(files):
    if not CHROMIUM:
        pytest.skip("there is no Chromium here; on Debian: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    sandbox = [] if os.name == "nt" or os.geteuid() else ["--no-sandbox"]  # Chromium refuses root one
    camera = [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={files / 'camera.mjpeg'}",
        "--use-fake-ui-for-media-stream",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox + camera)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(served, browser):
    """Open the page; ends with an error if it had one, or asked another machine for anything."""
    complaints, contexts = [], []

    def open_page(width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        own = (served.address, "data:", "blob:")
        page.on("request", lambda asked: None if asked.url.startswith(own) else complaints.append(asked.url))
        page.goto(served.address)
        page.get_by_role("button", name="Start the camera", disabled=False).wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def tab(page, name: str):
    """What stands on a tab, once it has been chosen."""
    page.get_by_role("tab", name=name).click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.wait_for()
    return panel


def table_of(download) -> list[str]:
    return Path(download.path()).read_text(encoding="utf-8").splitlines()


def test_the_cameras_face_is_labeled_within_two_seconds(opened, served):
    page = opened()
    page.get_by_role("button", name="Start the camera").press("Enter")  # by keyboard
    page.locator(
        ".stage[data-state=on]"
    ).wait_for()  # Chromium takes its time with the first camera of its life
    started = time.monotonic()
    page.locator(".label", has_text="Happy").wait_for()
    assert time.monotonic() - started < SECONDS

    most = page.locator(".live .bars .most")
    assert most.inner_text().startswith("Happy") and int(re.search(r"(\d+)%", most.inner_text())[1]) > 60
    page.locator(".latency", has_text="ms from frame to label").wait_for()
    page.locator(".live [role=status]", has_text="Happy").wait_for(state="attached")
    drawn = "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert page.locator(".live canvas").evaluate(drawn)
    assert not served.files(), "a frame was written to disk"

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download the CSV").click()
    header, first, *_ = table_of(downloading.value)
    assert header == ",".join(results_table.COLUMNS) and first.startswith("camera,1,") and ",Happy," in first

    page.get_by_role("button", name="Stop").press("Enter")
    page.get_by_role("button", name="Start the camera").wait_for()
    assert page.locator(".live .most").count() == 0


def test_each_tab_counts_its_own_faces(opened):
    for page in (opened(), opened()):
        page.get_by_role("button", name="Start the camera").click()
        page.locator(".label", has_text="Happy").wait_for()
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Download the CSV").click()
        first = table_of(downloading.value)[1].split(",")
        assert (
            first[results_table.COLUMNS.index("face")] == first[results_table.COLUMNS.index("frame")] == "1"
        )


def test_a_browser_that_lends_no_camera_is_told_why(opened):
    page = opened()
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_role("alert").filter(has_text="over https").wait_for()


def test_a_camera_is_let_go_when_nobody_answers(opened):
    page = opened()
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".label", has_text="Happy").wait_for()
    page.route("**/component_server/**", lambda route: route.abort())
    page.get_by_role("alert").filter(has_text="does not answer").wait_for()
    assert page.locator(".live video").evaluate("(video) => video.srcObject") is None


def test_a_picture_is_marked_and_not_kept(opened, files, served):
    page = opened()
    panel = tab(page, "Picture")
    panel.locator("input[type=file]").set_input_files(files / "smile.png")
    panel.get_by_role("status").filter(has_text="1 face found.").wait_for()
    shown = panel.get_by_role("img", name="smile.png, with its faces marked: Happy")
    assert shown.evaluate("(image) => image.naturalWidth") == 640
    assert panel.locator(".card h2").inner_text().startswith("Happy")
    with page.expect_download() as downloading:
        panel.get_by_role("link", name="Download the CSV").click()
    assert downloading.value.suggested_filename == "smile.csv"
    assert ",Happy," in table_of(downloading.value)[1]
    assert not served.files(), "the picture was kept"


def test_an_example_is_a_picture_too_however_often_it_is_chosen(opened):
    panel = tab(opened(), "Picture")
    seen = []
    for name in ("surprise", "happy", "surprise"):
        panel.get_by_role("button", name=f"Look at a face drawn {name}").press("Enter")
        shown = panel.get_by_role("img", name=f"{name}.png, with its faces marked: {name.title()}")
        seen.append(shown.get_attribute("src"))
    assert seen[0] == seen[2]


def test_a_text_named_as_a_picture_is_a_sentence(opened, files, served):
    panel = tab(opened(), "Picture")
    panel.locator("input[type=file]").set_input_files(files / "notes.jpg")
    alarm = panel.get_by_role("alert")
    alarm.wait_for()
    assert alarm.inner_text().startswith("notes.jpg cannot be read as a picture")
    assert not served.files()


def test_too_large_a_file_is_refused_with_a_sentence(opened, files, served):
    page = opened()
    panel = tab(page, "Picture")
    panel.locator("input[type=file]").set_input_files(files / "large.jpg")
    page.get_by_text(re.compile(r"exceed the maximum allowed size of 2")).wait_for()
    assert not served.files()


def test_a_video_plays_with_its_faces_marked_and_goes_with_its_tab(opened, files, served):
    page = opened()
    panel = tab(page, "Video")
    panel.locator("input[type=file]").set_input_files(files / "smile.mp4")
    panel.locator("video").wait_for(timeout=60_000)
    page.wait_for_function("document.querySelector('.result video').readyState > 1")
    assert panel.locator("video").evaluate("(video) => [video.videoWidth, video.error]") == [640, None]
    assert panel.locator(".card h2").inner_text().startswith("Happy")
    with page.expect_download() as downloading:
        panel.get_by_role("link", name="Download the CSV").click()
    assert len(table_of(downloading.value)) == 13  # a face in each of twelve frames
    assert [path.suffix for path in served.files()] == [".webm"], "the video itself was kept"

    page.close()
    by = time.monotonic() + 30
    while served.files() and time.monotonic() < by:
        time.sleep(0.2)
    assert not served.files()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_no_scrolling_sideways_and_no_serious_fault(opened, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(width, scheme)
    for name in ("Camera", "Picture", "Video"):
        tab(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response["violations"]
        serious = [violation for violation in found if violation["impact"] in ("serious", "critical")]
        assert not serious, json.dumps(serious, indent=1)[:3000]
