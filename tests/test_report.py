"""results/report.html: true to what the steps wrote, whole in itself, and usable in a real browser."""

import html
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)


def report_of(project) -> str:
    printed = project.run("run.py", "--no-venv", "--report")
    assert "results/report.html" in printed
    return (project.results / "report.html").read_text(encoding="utf-8")


def edit_json(path: Path, change) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")


@pytest.fixture
def copy(finished, tmp_path):
    return finished.copy(tmp_path / "copy")


# --------------------------------------------------------------------------------------------------
# What it says
# --------------------------------------------------------------------------------------------------
def test_a_whole_run_makes_a_page_that_shows_all_of_it(finished):
    page = (finished.results / "report.html").read_text(encoding="utf-8")
    assert 'class="absent"' not in page, "a part says that its step has not run"
    assert "Data: DRAWN SAMPLE, NOT FER2013" in page
    assert len(page) < 3_000_000
    assert not re.search(r"""(src|href)=(?!["']?(data:|#))""", page), "something is fetched from elsewhere"


def test_the_numbers_are_those_of_metrics_json(copy):
    def change(metrics):
        metrics["splits"]["test"] |= {
            "accuracy": 0.123456,
            "accuracy_95": [0.111111, 0.133333],
            "faces": 4321,
        }
        metrics["network"]["name"] = "Another"

    edit_json(copy.results / "metrics.json", change)
    page = report_of(copy)
    assert all(text in page for text in ("12.35%", "11.11% to 13.33%", "4,321 faces", "Another on test"))


def test_the_descriptions_figures_stand_beside_those_of_fer2013_only(copy):
    assert "the description" not in report_of(copy)
    edit_json(
        copy.results / "metrics.json", lambda m: m.update(description={"train": 0.9539, "test": 0.4947})
    )
    page = report_of(copy)
    assert "49.47%" in page and "95.39%" in page


def test_a_page_without_any_run_has_no_figures(project):
    page = html.unescape(report_of(project))
    assert page.count('class="absent"') >= 12
    title = re.search(r"<title>(.*?)</title>", page).group(1)
    hidden = r"<(style|script)>.*?</\1>|<svg.*?</svg>|<footer>.*?</footer>|<[^>]+>"
    visible = re.sub(hidden, " ", page, flags=re.DOTALL).replace(title, "")
    visible = re.sub(r"Step \d+ has not run yet|\d+\s+\S+\.py\s+has not run|LeNet-5_model", " ", visible)
    assert not re.search(r"\d", visible), "a number is typed into the template"


def test_half_a_run_shows_what_there_is(prepared, tmp_path):
    project = prepared.copy(tmp_path / "half")
    page = report_of(project)
    assert "Step 9 has not run yet. Run: python Performance.py" in page
    assert "168,971" in page and "DRAWN SAMPLE" in page


def test_names_with_quotes_and_html_are_escaped(copy):
    nasty = """<img src=x onerror="alert(1)"> 'n' & "q" </script>"""

    def change(metrics):
        metrics["network"]["name"] = nasty

    edit_json(copy.results / "metrics.json", change)
    lines = (
        (copy.results / "runs.csv")
        .read_text(encoding="utf-8")
        .replace("LeNet-5", "<script>alert(2)</script>")
    )
    (copy.results / "runs.csv").write_text(lines, encoding="utf-8")
    page = report_of(copy)
    assert "<img src=x" not in page and "<script>alert" not in page
    assert "&lt;img src=x onerror=" in page and "&lt;script&gt;alert(2)" in page


def test_what_an_older_version_left_is_a_sentence(copy):
    (copy.results / "metrics.json").write_text('{"accuracy": 0.5}')
    (copy.results / "analysis.json").write_text("[]")
    (copy.results / "model.json").write_text("{torn")
    (copy.results / "runs.csv").write_text("when,what\n1,2\n")
    edit_json(
        copy.data / "manifest.json", lambda m: [record.pop("settings") for record in m["steps"].values()]
    )
    page = report_of(copy)
    assert (
        "What step 9 left is not of this version" in page
        and "What step 3 left is not of this version" in page
    )
    assert page.count('class="absent"') >= 5


def test_results_of_other_data_are_not_passed_off_as_this_ones(copy):
    copy.run("Load_dataSets.py", "--sample-size", 300, "--seed", 5)
    page = report_of(copy)
    assert "These figures were measured on other data" in page
    assert "is stale" in page


def test_two_reports_at_once_are_both_whole(copy):
    pages = []
    together = [threading.Thread(target=lambda: pages.append(report_of(copy))) for _ in range(2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert len(pages) == 2 and all(page.rstrip().endswith("</html>") for page in pages)


def test_it_is_written_in_under_five_seconds(copy):
    started = time.monotonic()
    report_of(copy)
    assert time.monotonic() - started < 5


# --------------------------------------------------------------------------------------------------
# Trainings
# --------------------------------------------------------------------------------------------------
def test_every_training_has_a_line_with_what_was_changed(prepared, tmp_path):
    project = prepared.copy(tmp_path / "runs")
    project.run("Compiling_model.py", "--epochs", 1)
    project.run("Compiling_model.py", "--epochs", 2, "--keep", "best")
    project.run("Performance.py")

    import csv

    with open(project.results / "runs.csv", encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["changed"] == "" and second["changed"] == "epochs 1 -> 2, keep last -> best"
    assert first["test_accuracy"] == "" and 0 < float(second["test_accuracy"]) < 1
    metrics = json.loads((project.results / "metrics.json").read_text(encoding="utf-8"))
    assert second["test_accuracy"] == f"{metrics['splits']['test']['accuracy']:.4f}"
    page = report_of(project)
    assert "epochs 1 -&gt; 2, keep last -&gt; best" in page


# --------------------------------------------------------------------------------------------------
# In a browser
# --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no Chromium here; on Debian: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    sandbox = [] if os.name == "nt" or os.geteuid() else ["--no-sandbox"]  # Chromium refuses root one
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, finished):
    """Open the report; ends with an error if the page had one or asked for anything from elsewhere."""
    complaints, contexts = [], []

    def open_page(width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda request: complaints.append(request.url) if asks_elsewhere(request.url) else None
        )
        page.goto((finished.results / "report.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def asks_elsewhere(url: str) -> bool:
    return not url.startswith(("file:", "data:"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_no_scrolling_sideways_and_no_broken_picture(opened, width, scheme):
    page = opened(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter((image) => !image.complete || image.naturalWidth === 0).length"
    assert page.evaluate("document.images.length") >= 18 and page.evaluate(broken) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(opened, scheme):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(opened(1280, scheme)).response["violations"]
    serious = [violation for violation in found if violation["impact"] in ("serious", "critical")]
    assert not serious, json.dumps(serious, indent=1)[:3000]


def test_tables_sort_by_number_and_by_name(opened):
    page = opened()
    table = page.locator("table.sortable", has_text="precision")

    def column(number: int) -> list[str]:
        return [row.locator("th, td").nth(number).inner_text() for row in table.locator("tbody tr").all()]

    def shares() -> list[float]:
        return [float(text.rstrip("%")) for text in column(2)]

    table.get_by_role("button", name="recall").click()
    assert shares() == sorted(shares(), reverse=True)
    table.get_by_role("button", name="recall").press("Enter")  # by keyboard, the other way round
    assert shares() == sorted(shares())
    table.get_by_role("button", name="emotion").click()
    assert column(0) == sorted(column(0), reverse=True)


def test_hovering_a_cell_tells_count_and_share(opened, finished):
    page = opened()
    predictions = finished.store().read("predictions")["test"]
    guessed = predictions["probabilities"].argmax(axis=1)
    happy = int(((predictions["labels"] == 3) & (guessed == 3)).sum())
    share = happy / int((predictions["labels"] == 3).sum())
    titles = page.locator("table.matrix td[title^='Happy taken for Happy']").evaluate_all(
        "all => all.map(one => one.title)"
    )
    assert titles == [f"Happy taken for Happy: {happy} faces, {share:.1%}"] * 2


def test_it_prints(opened):
    page = opened()
    page.emulate_media(media="print")
    assert len(page.pdf()) > 50_000
