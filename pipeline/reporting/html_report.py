"""Write results/report.html: one page about the run, from the steps that have run so far.

The page is one file that loads nothing else. Its numbers come from results/ and data/, its text and layout from
templates/report.html.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.figures.palette import get_colors
from pipeline.reporting import report_data, report_figures
from pipeline.reporting.comparison import compare_runs, format_comparison
from pipeline.reporting.run_archive import read_run
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_text
from pipeline.workflow.results_index import check_network
from pipeline.workflow.steps import RESULTS, STEPS

TEMPLATES = Path(__file__).with_name("templates")
REPORT_PATH = RESULTS / "report.html"


def write_report(compared: tuple[int, int] | None = None) -> Path:
    """Write the report and return its path.

    Args:
        compared: Numbers of two runs to compare; None: the two newest that were evaluated.
    """
    store = ArtifactStore(script="report.html")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda share, digits=2: f"{share:.{digits}%}"
    emotions = read_emotions(store)
    environment.globals |= {"emotions": emotions, "colors": get_colors(emotions)}
    template = environment.get_template("report.html")
    with store.lock():
        write_text(REPORT_PATH, template.render(collect_sections(store, compared)))
    return REPORT_PATH


def read_emotions(store: ArtifactStore) -> Emotions:
    """Return the names of the emotions of the data set; where they cannot be read, those of FER2013."""
    try:
        return store.read("emotions")
    except (OSError, ValueError):  # step 2 has not run or is stale, so that no section shows a class
        return EMOTIONS


def describe_comparison(first: int, second: int) -> str:
    """Compare two runs, by their numbers, as text for a terminal.

    Raises:
        ValueError: If one of them is not archived, or they were evaluated on different test faces.
    """
    store = ArtifactStore()
    return format_comparison(compare_runs(read_run(store, first), read_run(store, second)))


def collect_sections(store: ArtifactStore, compared: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return the variables of the template: sections, each with its content or the reason why there is none."""
    image, of_network = report_figures.embed_image, partial(_of_network, store)
    per_emotion = partial(report_data.collect_emotions, read_emotions(store))
    sections: dict[str, tuple[int, Callable[[], Any]]] = {  # name: number of its step, builder
        "environment": (1, lambda: store.read("environment")),
        "source": (2, lambda: store.read("source")),
        "commands": (2, lambda: report_data.collect_commands(store)),
        "settings": (2, lambda: report_data.collect_settings(store)),
        "analysis": (3, report_data.collect_analysis),
        "distribution": (4, lambda: image("class_distribution.png")),
        "faces": (5, lambda: image("emotions.png")),
        "suspects": (2, lambda: report_figures.build_suspects(store)),
        "mean_faces": (5, lambda: image("mean_faces.png")),
        "diagram": (7, of_network("model.png", lambda: image("model.png"))),
        "layers": (7, of_network("model.json", report_data.collect_layers)),
        "runs": (8, report_data.collect_runs),
        "verdict": (9, of_network("metrics.json", lambda: report_data.collect_verdict(store))),
        "metrics": (9, of_network("metrics.json", report_data.collect_metrics)),
        "confusion": (9, lambda: report_figures.build_confusion(store)),
        "examples": (9, lambda: report_figures.select_examples(store)),
        "reliability": (9, lambda: report_figures.build_reliability_bins(store)),
        "curves": (8, lambda: report_figures.build_learning_curves(store)),
        "pairs": (11, of_network("confused_pairs.png", lambda: image("confused_pairs.png"))),
        "features": (9, lambda: report_figures.build_features(store)),
        "per_emotion": (12, of_network("classification_report.json", per_emotion)),
        "saliency": (12, lambda: report_data.collect_saliency(store)),
        "search": (8, report_data.collect_search),
        "search_figure": (8, lambda: image("search.png")),
        "comparison": (9, lambda: report_data.collect_comparison(store, compared)),
        "exports": (13, lambda: report_data.collect_exports(store)),
    }
    content = {name: _build_section(store, step, build) for name, (step, build) in sections.items()}
    return content | {"steps": report_data.collect_steps(store), "created": datetime.now().astimezone()}


def _of_network(store: ArtifactStore, name: str, build: Callable[[], Any]) -> Callable[[], Any]:
    """Return a builder of a section that shows a file in results/ only if it belongs to the network in data/."""

    def build_checked() -> Any:
        check_network(store, name)
        return build()

    return build_checked


def _build_section(store: ArtifactStore, number: int, build: Callable[[], Any]) -> dict[str, Any]:
    """Return {"content": the result of `build`}, or {"reason": why it is missing and the command to run}."""
    remedy = f"Run: {store.format_last_command(STEPS[number - 1].script)}"
    try:
        return {"content": build()}
    except FileNotFoundError:
        return {"reason": f"Step {number} has not run yet. {remedy}"}
    except (ValueError, OSError) as error:
        return {"reason": f"Not shown: {error}" if "Run: " in str(error) else f"Not shown: {error}. {remedy}"}
    except (KeyError, TypeError, IndexError, AttributeError):
        return {"reason": f"The output of step {number} has another version's format. {remedy}"}
