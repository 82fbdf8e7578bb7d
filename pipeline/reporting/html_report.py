"""results/report.html: one page that shows the run, from whatever steps have run so far.

Every number on it is read from what the steps left in results/ and data/; the page itself, its words and its
looks, is pipeline/report.html.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from pipeline.data.fer2013 import EMOTIONS
from pipeline.reporting.report_data import (
    ReportData,
    check_analysis,
    check_layers,
    check_metrics,
    collect_exports,
    collect_runs,
    collect_settings,
    collect_steps,
    confusion_rows,
    most_confident,
    per_emotion,
    read_image,
    read_json,
    reliability_bins,
)
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.atomic_io import write_text
from pipeline.workflow.steps import RESULTS, STEPS

TEMPLATE = Path(__file__).with_name("templates") / "report.html"
REPORT_PATH = RESULTS / "report.html"


def write_report() -> Path:
    """Write the page and return where it is."""
    store = ArtifactStore(script=TEMPLATE.name)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda share, digits=2: f"{share:.{digits}%}"
    environment.globals["emotions"] = EMOTIONS
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    with store.lock():
        write_text(REPORT_PATH, template.render(collect(store)))
    return REPORT_PATH


def collect(store: ArtifactStore) -> ReportData:
    """All that the page shows. A part whose step hasn't run, or left what can't be read, says so instead."""
    builders: dict[str, tuple[int, Callable[[ArtifactStore], Any]]] = {
        "metrics": (9, lambda _: check_metrics(read_json("metrics.json"))),
        "analysis": (3, lambda _: check_analysis(read_json("analysis.json"))),
        "distribution": (4, lambda _: read_image("class_distribution.png")),
        "faces": (5, lambda _: read_image("emotions.png")),
        "mean_faces": (5, lambda _: read_image("mean_faces.png")),
        "diagram": (7, lambda _: read_image("model.png")),
        "layers": (7, lambda _: check_layers(read_json("model.json"))),
        "curves": (10, lambda _: read_image("learning_curves.png")),
        "confusion": (9, confusion_rows),
        "pairs": (11, lambda _: read_image("confused_pairs.png")),
        "per_emotion": (12, lambda _: per_emotion(read_json("classification_report.json"))),
        "answers": (9, most_confident),
        "reliability": (9, reliability_bins),
        "exports": (13, lambda _: collect_exports()),
        "environment": (1, lambda c: c.read("environment")),
        "settings": (2, collect_settings),
    }
    facts = {name: _part(number, build, store) for name, (number, build) in builders.items()}
    source = _part(2, lambda c: c.read("source"), store)
    trainings = _part(8, lambda _: collect_runs(), store)
    return facts | {
        "source": source,
        "runs": trainings,
        "steps": collect_steps(store),
        "made": datetime.now().astimezone(),
    }


def _part(number: int, build: Callable[[ArtifactStore], Any], store: ArtifactStore) -> ReportData:
    """{"content": what `build` makes}, or {"reason": a sentence on why there is none}."""
    step = STEPS[number - 1]
    run = f"Run: python {step.script}" if "&" not in step.script else f'Run: python "{step.script}"'
    try:
        return {"content": build(store)}
    except FileNotFoundError:
        return {"reason": f"Step {number} has not run yet. {run}"}
    except (ValueError, OSError) as error:
        return {"reason": f"Not shown: {error}" if "Run: " in str(error) else f"Not shown: {error}. {run}"}
    except (KeyError, TypeError, IndexError, AttributeError):
        return {"reason": f"What step {number} left is not of this version. {run}"}
