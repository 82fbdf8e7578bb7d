"""Check results/report.html in Chromium: layout, accessibility, sorting, printing, and that it loads no other file."""

import json
import os
import re
import shutil

import pytest

from pipeline.evaluation.metrics import Predictions, confusion_counts, confusion_shares
from pipeline.reporting.report_figures import MAX_CELL_FACES

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
HAPPY = 3


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("Chromium is not installed; on Debian: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    arguments = [] if os.name == "nt" or os.geteuid() else ["--no-sandbox"]  # root has no sandbox
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_report(browser, finished):
    """Open the report; the test fails if the page logs anything or requests a file."""
    problems, contexts = [], []

    def note_request(request) -> None:
        if not request.url.startswith(("file:", "data:")):
            problems.append(request.url)

    def open_page(width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", note_request)
        page.goto((finished.results / "report.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_page_fits_the_width_loads_all_images_and_is_accessible(open_report, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_report(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter((image) => !image.complete || image.naturalWidth === 0).length"
    assert page.evaluate("document.images.length") >= 17 and page.evaluate(broken) == 0
    violations = Axe().run(page).response["violations"]
    serious = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert not serious, json.dumps(serious, indent=1)[:3000]


def test_tables_sort_by_number_and_by_name(open_report):
    page = open_report()
    table = page.locator("table.sortable", has_text="precision")

    def column(number: int) -> list[str]:
        return [row.locator("th, td").nth(number).inner_text() for row in table.locator("tbody tr").all()]

    def recalls() -> list[float]:
        return [float(text.rstrip("%")) for text in column(3)]

    table.get_by_role("button", name=re.compile("^recall")).click()
    assert recalls() == sorted(recalls(), reverse=True)
    table.get_by_role("button", name=re.compile("^recall")).press("Enter")  # by keyboard, in reverse order
    assert recalls() == sorted(recalls())
    table.get_by_role("button", name="emotion").click()
    assert column(0) == sorted(column(0), reverse=True)


def test_a_cell_of_the_confusion_matrix_shows_count_and_share_as_tooltip_and_its_faces(open_report, finished):
    predictions = Predictions(**finished.store().read("predictions")["test"])
    count = confusion_counts(predictions)[HAPPY, HAPPY]
    share = confusion_shares(predictions)[HAPPY, HAPPY]
    page = open_report()
    cells = page.get_by_role("button", name="Happy predicted as Happy")
    assert cells.count() == 2, "counts and shares"
    cells.first.hover()
    assert page.locator("#tooltip").inner_text() == f"Happy predicted as Happy: {count} faces, {share:.1%}"
    cells.first.press("Enter")
    assert page.locator("dialog .face").count() == min(count, MAX_CELL_FACES)
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


@pytest.mark.parametrize("width", [375, 1280])
def test_an_epoch_of_the_learning_curves_has_a_tooltip_within_the_page(open_report, finished, width):
    page = open_report(width)
    page.locator(".chart", has_text="Loss").locator(".hit").last.hover()
    history = finished.store().read("history")
    text = page.locator("#tooltip").inner_text()
    assert f"epoch {len(history['loss'])}:" in text and f"{history['val_loss'][-1]:.3g}" in text
    box = page.locator("#tooltip").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width


def test_text_of_charts_is_legible_on_a_phone(open_report):
    page = open_report(375)
    heights = "[...document.querySelectorAll('.chart svg')].map((svg) => 12 * svg.getScreenCTM().a)"
    assert min(page.evaluate(heights)) >= 10.5  # pixels


def test_a_figure_opens_larger(open_report):
    page = open_report(375)
    figure = page.locator("img.zoomable").first
    figure.click()
    large = page.locator("dialog img")
    assert large.bounding_box()["width"] > 1.5 * figure.bounding_box()["width"]
    page.get_by_role("button", name="Close").click()
    assert not page.locator("dialog").is_visible()


def test_a_table_that_is_wider_than_the_page_says_so(open_report):
    assert open_report(375).locator(".scrolling.overflows").count() > 0
    wide = open_report(1440)
    assert wide.locator(".scrolling.overflows").count() == 0, (
        "all tables, that of the trainings too, fit 1440 px"
    )


def test_page_prints(open_report):
    page = open_report()
    page.emulate_media(media="print")
    assert len(page.pdf()) > 50_000
