"""Check results/report.html: its numbers are those of the steps, it is self-contained, and bad input is explained."""

import html
import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Project

pytestmark = pytest.mark.slow

MAX_BYTES = 3_000_000
MAX_SECONDS = 5


def write_report(project: Project, fork: bool = True) -> str:
    """Write the report of a project and return its HTML."""
    assert "results/report.html" in project.run("run.py", "--no-venv", "--report", fork=fork)
    return (project.results / "report.html").read_text(encoding="utf-8")


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def copy(finished, tmp_path) -> Project:
    return finished.copy(tmp_path / "copy")


# --------------------------------------------------------------------------------------------------
# Content
# --------------------------------------------------------------------------------------------------
def test_a_complete_run_fills_all_sections(finished):
    page = (finished.results / "report.html").read_text(encoding="utf-8")
    assert 'class="absent"' not in page, "a section has no content"
    assert f"Data: {finished.store().read('source')['label']}" in page
    assert len(page) < MAX_BYTES
    assert not re.search(r"""(src|href)=(?!["']?(data:|#))""", page), "the page loads another file"


def test_metrics_are_those_of_metrics_json(copy):
    def change(metrics):
        metrics["splits"]["test"] |= {
            "accuracy": 0.123456,
            "accuracy_ci95": [0.111111, 0.133333],
            "mean_recall": 0.98765,
            "faces": 4321,
        }
        metrics["network"]["name"] = "Another"

    edit_json(copy.results / "metrics.json", change)
    page = write_report(copy)
    for text in ("12.35%", "11.11% to 13.33%", "0.9877", "4,321 faces", "Another"):
        assert text in page


def test_the_published_baseline_is_shown_only_for_fer2013(copy):
    assert "published baseline" not in write_report(copy)
    edit_json(
        copy.results / "metrics.json",
        lambda metrics: metrics.update(published={"train": 0.9539, "test": 0.4947}),
    )
    page = write_report(copy)
    assert "published baseline" in page and "49.47%" in page and "95.39%" in page


def test_steps_that_have_not_run_leave_no_number_on_the_page(project):
    page = html.unescape(write_report(project))
    assert page.count('class="absent"') >= 12
    title = re.search(r"<title>(.*?)</title>", page).group(1)
    invisible = r"<(style|script)>.*?</\1>|<svg.*?</svg>|<footer>.*?</footer>|<[^>]+>"
    visible = re.sub(invisible, " ", page, flags=re.DOTALL).replace(title, "")
    visible = re.sub(
        r"Step \d+ has not run yet|\d+\s+\S+\.py\s+has not run|LeNet-5_model|python3", " ", visible
    )
    assert not re.search(r"\d", visible), "a number is part of the template"


def test_an_incomplete_run_shows_its_steps_and_the_command_for_the_next(prepared, tmp_path):
    page = write_report(prepared.copy(tmp_path / "half"))
    assert "Step 9 has not run yet. Run: python3 Performance.py" in page
    assert "168,971" in page, "the parameters of the network, which has been built"


def test_the_commands_of_the_run_are_listed_and_quoted(finished):
    page = html.unescape((finished.results / "report.html").read_text(encoding="utf-8"))
    assert "python3 Compiling_model.py --epochs 6\n" in page
    assert 'python3 "Visualize_Training_&_Validation.py"\n' in page


def test_html_in_names_is_escaped(copy):
    name = """<img src=x onerror="alert(1)"> 'n' & "q" </script>"""
    edit_json(copy.results / "metrics.json", lambda metrics: metrics["network"].update(name=name))
    log = copy.results / "runs.csv"
    rows = log.read_text(encoding="utf-8").replace("LeNet-5", "<script>alert(2)</script>")
    log.write_text(rows, encoding="utf-8")
    page = write_report(copy)
    assert "<img src=x" not in page and "<script>alert" not in page
    assert "&lt;img src=x onerror=" in page and "&lt;script&gt;alert(2)" in page


def test_files_with_another_schema_are_reported_with_their_step(copy):
    (copy.results / "metrics.json").write_text('{"accuracy": 0.5}')
    (copy.results / "analysis.json").write_text("[]")
    (copy.results / "model.json").write_text("{torn")
    (copy.results / "runs.csv").write_text("when,change\n1,2\n")
    edit_json(
        copy.data / "manifest.json", lambda m: [record.pop("settings") for record in m["steps"].values()]
    )
    reasons = re.findall(r'class="absent">(.*?)</p>', write_report(copy))
    assert len(reasons) >= 5
    for step, script in ((9, "Performance.py"), (3, "Analizing_DataSet.py")):
        assert any(f"step {step} " in reason and f"python3 {script}" in reason for reason in reasons)


def test_metrics_of_another_data_set_are_marked_and_stale_artifacts_are_not_shown(copy):
    copy.run("Load_dataSets.py", "--sample-size", 300, "--seed", 5)
    page = write_report(copy)
    assert "measured on another data set" in page
    assert any("stale" in reason for reason in re.findall(r'class="absent">(.*?)</p>', page))


@pytest.mark.long
def test_results_of_an_earlier_network_are_never_shown_with_those_of_another(copy):
    def absent() -> str:
        return " ".join(re.findall(r'class="absent">(.*?)</p>', html.unescape(write_report(copy))))

    old_exports = sorted(path.name for path in copy.results.glob("FER_CNN_*.tflite"))
    copy.run("Compiling_model.py", "--epochs", 1)
    assert absent().count("From an earlier network") == 5, "verdict, metrics, pairs, per emotion, exports"

    copy.run("Performance.py")
    metrics = json.loads((copy.results / "metrics.json").read_text(encoding="utf-8"))
    reasons = absent()
    assert f"{metrics['splits']['test']['accuracy']:.2%}" in (copy.results / "report.html").read_text("utf-8")
    for script in ("Confusion_Matrix.py", "Classification.py", "Save_model.py"):
        assert re.search(rf'From an earlier network\. Run: python3 "?{script}', reasons), script

    page = (copy.results / "report.html").read_text("utf-8")
    assert "Two runs side by side" in page and "epochs</th>" in page and "McNemar" in page
    assert "McNemar" in copy.run("run.py", "--no-venv", "--compare", 1, 2)
    assert "can be: 1, 2." in copy.run("run.py", "--no-venv", "--compare", 1, 3, status=1)

    copy.run("Classification.py")
    copy.run("Save_model.py", "--formats", "keras")
    assert "Classification.py" not in absent() and "Save_model.py" not in absent()
    assert old_exports and not any((copy.results / name).exists() for name in old_exports)

    copy.run("Performance.py", "--tta", 2)
    assert "earlier predictions of this network. Run: python3 Classification.py" in absent()


def test_a_network_that_is_built_but_not_trained_is_not_shown_with_the_metrics_of_another(copy):
    copy.run("LeNet-5_model.py", "--seed", 7)
    page = html.unescape(write_report(copy))
    assert page.count("not trained yet. Run: python3 Compiling_model.py") == 2, "diagram and table of layers"


def test_two_reports_at_the_same_time_are_both_complete(copy):
    pages = []
    threads = [threading.Thread(target=lambda: pages.append(write_report(copy))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pages) == 2 and all(page.rstrip().endswith("</html>") for page in pages)


def test_the_report_takes_less_than_five_seconds_of_processor_time(copy):
    before = os.times()
    write_report(copy, fork=False)
    after = os.times()  # 0 for child processes on Windows
    seconds = after.children_user - before.children_user + after.children_system - before.children_system
    assert seconds < MAX_SECONDS
