"""Videos that are written play in Chromium, from the first to the last frame."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.vision.video_writer import VideoWriter, open_video_writer

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
# Fetch the brightness of the video at a time.
GRAY_LEVEL_AT = """([video, seconds]) => new Promise((resolve, reject) => {
    video.onseeked = () => {
        const canvas = document.createElement("canvas");
        canvas.getContext("2d").drawImage(video, 0, 0, 1, 1);
        resolve(canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0]);
    };
    video.onerror = () => reject(video.error.message);
    video.currentTime = seconds;
})"""


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM:
        pytest.skip("Chromium is not installed; on Debian: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    arguments = ["--allow-file-access-from-files"]
    if os.name != "nt" and os.geteuid() == 0:  # Chromium's sandbox does not work for root
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def write_frames(writer: VideoWriter, seconds: tuple[float, ...]) -> None:
    """Write frames of which each is brighter by 20 than the one before."""
    for index, time_s in enumerate(seconds):
        writer.write(np.full((120, 160, 3), min(255, 20 + 20 * index), np.uint8), time_s)


@pytest.fixture(params=["finished", "cut"])
def path(request, tmp_path) -> Path:
    """A video of a variable frame rate; "cut" is what another process left that was killed."""
    seconds = (0, 0.1, 0.5, 1.5, 2.5, 3.0, 3.5, 5.0)
    if request.param == "finished":
        with open_video_writer(tmp_path / "video.mp4", 10, (160, 120)) as writer:
            write_frames(writer, seconds)
    else:
        writer = VideoWriter(tmp_path / "written.mp4", 10, (160, 120))
        write_frames(writer, (*seconds, 5.1, *np.arange(6, 9, 0.2)))
        shutil.copy(tmp_path / "written.mp4", tmp_path / "video.mp4")
        writer.close()
    return tmp_path / "video.mp4"


def test_a_video_plays_with_its_times(chromium, path):
    (path.parent / "page.html").write_text(f'<video src="{path.name}" preload="auto"></video>')
    page = chromium.new_page()
    page.goto((path.parent / "page.html").as_uri())
    page.wait_for_function(
        "document.querySelector('video').readyState > 1 || document.querySelector('video').error"
    )
    video = page.query_selector("video")
    assert video.evaluate("(video) => [video.error, video.videoWidth, video.videoHeight]") == [None, 160, 120]
    assert video.evaluate("(video) => video.duration") > 5
    for seconds, index in ((0.05, 0), (0.3, 1), (1.0, 2), (2.0, 3), (4.5, 6)):
        expected = pytest.approx(20 + 20 * index, abs=8)
        level = page.evaluate(GRAY_LEVEL_AT, [video, seconds])
        for _ in range(20):  # a busy browser may show the earlier frame when it has found the next one
            if level == expected:
                break
            page.wait_for_timeout(200)
            level = page.evaluate(GRAY_LEVEL_AT, [video, seconds])
        assert level == expected, seconds
    page.close()
