"""Test Webcam_page.py in Chromium, whose camera plays a file: what users see, and which files are kept."""

import json
import os
import re
import shutil
import time
from pathlib import Path

import cv2
import pytest
from helpers import TIMEOUT_S

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures.palette import EMOTION_COLORS, to_rgb
from pipeline.vision.results_table import COLUMNS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MAX_CONTENT_WIDTH = 1240  # pixels
FIRST_LABEL_TIMEOUT_S = 2.0  # from the start of the camera
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser(uploads):
    if not CHROMIUM:
        pytest.skip("Chromium is not installed; on Debian: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    needs_no_sandbox = os.name != "nt" and os.geteuid() == 0  # Chromium's sandbox does not work for root
    arguments = ["--no-sandbox"] if needs_no_sandbox else []
    arguments += [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={uploads / 'camera.mjpeg'}",
        "--use-fake-ui-for-media-stream",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(server, browser):
    """Open the page. At the end, it must not have raised an error or sent a request to another machine."""
    problems, contexts = [], []
    allowed = (server.url, "data:", "blob:")

    def open_page(width: int = 1280, color_scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=color_scheme)
        context.set_default_timeout(1000 * TIMEOUT_S)  # a busy machine is slow
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: request.url.startswith(allowed) or problems.append(request.url))
        page.goto(server.url)
        page.get_by_role("button", name="Start the camera", disabled=False).wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def select_tab(page, name: str):
    """Select a tab and return its content."""
    page.get_by_role("tab", name=name).click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.wait_for()
    return panel


def start_camera(page) -> None:
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".label", has_text="Happy").wait_for()


def download_table(page, role: str, parent=None) -> tuple[str, list[str]]:
    """Download the CSV, and return its file name and lines."""
    with page.expect_download() as download:
        (parent or page).get_by_role(role, name="Download the CSV").click()
    return download.value.suggested_filename, Path(download.value.path()).read_text("utf-8").splitlines()


def test_camera_shows_the_label_within_two_seconds_and_stores_no_file(open_page, server):
    page = open_page()
    for _ in range(3):  # on a busy machine the first time may be longer
        page.get_by_role("button", name="Start the camera").press("Enter")  # the keyboard works, too
        page.locator(".stage[data-state=on]").wait_for()  # Chromium's first start of a camera takes longer
        started = time.monotonic()
        page.locator(".label", has_text="Happy").wait_for()
        if (seconds := time.monotonic() - started) < FIRST_LABEL_TIMEOUT_S:
            break
        page.get_by_role("button", name="Stop").press("Enter")
    assert seconds < FIRST_LABEL_TIMEOUT_S

    predicted = page.locator(".camera .bars .predicted").inner_text()
    assert predicted.startswith("Happy") and int(re.search(r"(\d+)%", predicted)[1]) > 60
    page.locator(".latency", has_text="ms from frame to label").wait_for()
    page.locator(".camera [role=status]", has_text="Happy").wait_for(state="attached")
    is_drawn = "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert page.locator(".camera canvas").evaluate(is_drawn)
    assert not server.stored_files()


def test_camera_offers_its_table_a_picture_and_a_chart_and_stops(open_page):
    page = open_page()
    start_camera(page)
    file_name, (header, first_row, *_) = download_table(page, "button")
    assert file_name == "camera.csv" and header == ",".join(COLUMNS)
    assert first_row.startswith("camera,1,") and ",Happy," in first_row
    assert page.locator(".camera .chart path").nth(EMOTIONS.index("Happy")).get_attribute("d")

    with page.expect_download() as download:
        page.get_by_role("button", name="Save a picture").click()
    picture = cv2.imread(str(download.value.path()))
    assert download.value.suggested_filename == "camera.jpg" and picture.shape[1] >= 640
    red, green, blue = to_rgb(EMOTION_COLORS["Happy"])
    is_marked = (abs(picture.astype(int) - (blue, green, red)) < 24).all(axis=2)
    assert is_marked.sum() > 1000, "the face is not marked on the picture"

    page.get_by_role("button", name="Stop").press("Enter")
    page.get_by_role("button", name="Start the camera").wait_for()
    assert page.locator(".camera .predicted").count() == 0
    assert page.locator(".camera video").evaluate("(video) => video.srcObject") is None


def test_each_tab_numbers_its_own_faces_and_frames(open_page):
    for page in (open_page(), open_page()):
        start_camera(page)
        _, (_, first_row, *_) = download_table(page, "button")
        values = dict(zip(COLUMNS, first_row.split(","), strict=True))
        assert values["face"] == values["frame"] == "1"


def test_missing_camera_access_is_explained_and_not_cut_off_on_a_phone(open_page):
    page = open_page(width=375)
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.get_by_role("button", name="Start the camera").click()
    alert = page.get_by_role("alert").filter(has_text="over https")
    alert.wait_for()
    box, stage = alert.bounding_box(), page.locator(".stage").bounding_box()
    assert stage["y"] <= box["y"] and box["y"] + box["height"] <= stage["y"] + stage["height"]


def test_camera_stops_when_the_server_does_not_respond(open_page):
    page = open_page()
    start_camera(page)
    page.route("**/component_server/**", lambda route: route.abort())
    page.get_by_role("alert").filter(has_text="does not respond").wait_for()
    assert page.locator(".camera video").evaluate("(video) => video.srcObject") is None


def test_image_is_annotated_and_not_stored(open_page, uploads, server):
    page = open_page()
    panel = select_tab(page, "Image")
    panel.locator("input[type=file]").set_input_files(uploads / "smile.png")
    panel.get_by_role("status").filter(has_text="1 face found.").wait_for()
    image = panel.get_by_role("img", name="smile.png, with its faces annotated: Happy")
    assert image.evaluate("(image) => image.naturalWidth") == 640
    assert panel.locator(".card h2").inner_text().startswith("Happy")
    file_name, (_, row) = download_table(page, "link", panel)
    assert file_name == "smile.csv" and ",Happy," in row
    assert not server.stored_files()


def test_several_images_have_a_result_each_and_a_table_of_all(open_page, uploads, server):
    page = open_page()
    panel = select_tab(page, "Image")
    panel.locator("input[type=file]").set_input_files([uploads / "smile.png", uploads / "notes.jpg"])
    panel.get_by_role("status").filter(has_text="2 files, 1 face").wait_for()
    assert panel.get_by_role("alert").inner_text().startswith("notes.jpg is not a picture")
    with page.expect_download() as download:
        panel.get_by_role("link", name="Download the CSV of all").click()
    _, row = Path(download.value.path()).read_text("utf-8").splitlines()
    assert row.startswith("smile.png,") and not server.stored_files()


def test_photograph_and_its_probabilities_are_in_sight_together(open_page):
    page = open_page(width=1440)
    panel = select_tab(page, "Image")
    panel.get_by_role("button", name="Recognize the photograph").click()
    image = panel.get_by_role("img", name="with its faces annotated: Happy")
    image.wait_for()
    for box in (image.bounding_box(), panel.locator(".bars").bounding_box()):
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900


def test_emotion_is_explained_when_it_is_asked_for_and_not_cut_off_on_a_phone(open_page):
    page = open_page(width=375)
    panel = select_tab(page, "Image")
    example = panel.get_by_role("button", name="Recognize the drawn face: Happy")
    example.click()
    panel.locator(".card").wait_for()
    explanation = panel.get_by_role("img", name="on which its emotion depends most")
    assert explanation.count() == 0
    page.get_by_label("Explain").check()
    example.click()
    explanation.wait_for()
    natural, width, height = explanation.evaluate(
        "(image) => [image.naturalHeight / image.naturalWidth, image.clientWidth, image.clientHeight]"
    )
    assert height == pytest.approx(width * natural, abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_chosen_network_recognizes_the_faces_and_its_accuracy_is_shown(open_page):
    page = open_page()
    panel = select_tab(page, "Image")
    percents, headers = [], []
    for name in ("Compact_votes", "LeNet-5_votes"):
        page.locator(".network input").click()
        page.get_by_role("option").filter(has_text=f"{name}:").click()
        header = page.locator(".page-header", has_text=f"Recognized by {name} ")
        header.wait_for()
        headers.append(header.inner_text())
        panel.get_by_role("button", name="Recognize the drawn face: Sad").click()
        panel.locator(".card").wait_for()
        percents.append(panel.locator(".bars").inner_text())
    assert percents[0] != percents[1]
    assert "83.7%" in headers[0] and "82.4% to 84.9%" in headers[0] and "74.7%" in headers[1]


def test_example_gives_the_same_result_each_time(open_page):
    panel = select_tab(open_page(), "Image")
    urls = []
    for emotion in ("Surprise", "Happy", "Surprise"):
        panel.get_by_role("button", name=f"Recognize the drawn face: {emotion}").press("Enter")
        image = panel.get_by_role("img", name=f"{emotion.lower()}.png, with its faces annotated: {emotion}")
        urls.append(image.get_attribute("src"))
    assert urls[0] == urls[2] != urls[1]


def test_upload_that_is_not_an_image_is_explained_and_deleted(open_page, uploads, server):
    panel = select_tab(open_page(), "Image")
    panel.locator("input[type=file]").set_input_files(uploads / "notes.jpg")
    alert = panel.get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text().startswith("notes.jpg") and str(server.temporary) not in alert.inner_text()
    assert not server.stored_files()

    panel.page.route("**/queue/join**", lambda route: None)  # so that the next image is not processed
    panel.get_by_role("button", name="Recognize the photograph").click()
    alert.wait_for(state="detached")
    assert panel.locator(".progress-text").filter(visible=True).count() == 1


def test_upload_that_is_too_large_is_refused(open_page, uploads, server):
    page = open_page()
    panel = select_tab(page, "Image")
    panel.locator("input[type=file]").set_input_files(uploads / "large.jpg")
    page.get_by_text(re.compile(r"exceed the maximum allowed size of 2")).wait_for()
    assert not server.stored_files()


def test_annotated_video_plays_and_is_deleted_when_its_tab_is_closed(open_page, uploads, server):
    page = open_page()
    panel = select_tab(page, "Video")
    panel.locator("input[type=file]").set_input_files(uploads / "smile.mp4")
    panel.locator("video").wait_for()
    page.wait_for_function("document.querySelector('.result video').readyState > 1")
    assert panel.locator("video").evaluate("(video) => [video.videoWidth, video.error]") == [640, None]
    assert panel.locator(".card h2").inner_text().startswith("Happy")
    assert panel.locator(".card .chart polygon", has_text="Happy").count() == 1
    _, (_, *rows) = download_table(page, "link", panel)
    assert len(rows) == 12  # a face in each frame
    assert [path.suffix for path in server.stored_files()] == [".mp4"], "the upload is still stored"

    page.close()
    deadline = time.monotonic() + TIMEOUT_S
    while server.stored_files() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not server.stored_files()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_page_fits_its_width_and_is_accessible(open_page, width, color_scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(width, color_scheme)
    for name in ("Camera", "Image", "Video"):
        select_tab(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".page-header").bounding_box()["x"] <= max(16, (width - MAX_CONTENT_WIDTH) / 2)
        violations = Axe().run(page).response["violations"]
        serious = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
        assert not serious, json.dumps(serious, indent=1)[:3000]
