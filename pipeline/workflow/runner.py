"""Run the steps in order, each in its own process. Needs the standard library only, unless it resumes."""

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Sequence
from itertools import dropwhile, takewhile
from typing import Any

from pipeline.workflow.forked_script import run_script
from pipeline.workflow.formatting import SCREEN_WIDTH, shell_quote
from pipeline.workflow.processes import is_interruption, run_and_wait
from pipeline.workflow.steps import BUILD_STEP, RESULTS, ROOT, STEPS, Step, get_build_step, list_build_scripts

QUICK_ARGUMENTS = {"Load_dataSets.py": ["--sample-size", "5000"], "Compiling_model.py": ["--epochs", "6"]}
SEARCH_SCRIPT = "Search_Hyperparameters.py"
QUICK_SEARCH_ARGUMENTS = ["--trials", "6", "--epochs", "6"]
TRAINING_INPUT_STEPS = [2, 6, 7]  # whose artifacts a training reads


def run_steps(options: argparse.Namespace) -> int:
    """Run the selected steps in order, stop at the first that fails, and return the exit status."""
    started = time.perf_counter()
    durations: list[tuple[Step, float]] = []
    for step in select_steps(options):
        arguments = choose_arguments(step, options)
        if options.resume and is_up_to_date(step, arguments):
            print(f"Step {step.number}: {step.title} ({step.script}) is up to date", flush=True)
            continue
        step_started = time.perf_counter()
        status = run_script(ROOT / step.script, arguments)
        if status:
            result = "was interrupted" if is_interruption(status) else "failed"
            print(f"\nStep {step.number} ({step.script}) {result}; the remaining steps were not run.")
            print(f"Continue with: {format_continue_command(options, step)}", flush=True)
            return status if is_interruption(status) else 1
        durations.append((step, time.perf_counter() - step_started))
        print(f"  step {step.number} took {durations[-1][1]:.1f} s\n", flush=True)
    print_summary(durations, time.perf_counter() - started)
    return 0


def run_search(options: argparse.Namespace, flags: list[str]) -> int:
    """Search hyperparameters, after the steps that a training needs, and return the exit status.

    Args:
        options: Those of run.py.
        flags: Of the script.
    """
    options.only, options.resume = TRAINING_INPUT_STEPS, True
    if status := run_steps(options):
        return status
    quick_flags = QUICK_SEARCH_ARGUMENTS if options.quick else []
    return run_and_wait([sys.executable, str(ROOT / SEARCH_SCRIPT), *quick_flags, *flags])


def select_steps(options: argparse.Namespace) -> list[Step]:
    """Return the steps that --only, --from and --model select."""
    model = options.model or (find_last_build_script() if options.resume else BUILD_STEP.script)
    steps = [step if step is not BUILD_STEP else get_build_step(model) for step in STEPS]
    if options.only:
        return [step for step in steps if step.number in options.only]
    return [step for step in steps if step.number >= (options.first or 1)]


def find_last_build_script() -> str:
    """Return the script that was the last to run as step 7."""
    from pipeline.workflow.artifacts import ArtifactStore  # here, because it needs packages from .venv

    manifest = ArtifactStore().manifest()
    scripts = list_build_scripts()
    started = {start["started"]: script for script, start in manifest["started"].items() if script in scripts}
    last = started[max(started)] if started else manifest["artifacts"].get("model", {}).get("script")
    return last if last in scripts else BUILD_STEP.script


def choose_arguments(step: Step, options: argparse.Namespace) -> list[str]:
    """Return the flags to run a step with.

    With --resume these are the flags of its last run, finished or not, so that a data set or a recipe chosen on the
    command line is kept.
    """
    arguments = QUICK_ARGUMENTS.get(step.script, []) if options.quick else []
    if options.resume and not options.quick:
        from pipeline.workflow.artifacts import ArtifactStore  # here, because it needs packages from .venv
        from pipeline.workflow.manifest import last_arguments

        arguments = last_arguments(ArtifactStore().manifest(), step.script)
    has_figures = any(name.endswith(".png") for name in step.results)
    return replace_figures(arguments, options.figures) if options.figures and has_figures else arguments


def replace_figures(arguments: list[str], formats: Sequence[str]) -> list[str]:
    """Return a step's flags with other formats of its figures, always with png, which the report shows."""
    before = list(takewhile(lambda word: word != "--figures", arguments))
    after = dropwhile(lambda word: not word.startswith("--"), arguments[len(before) + 1 :])
    return [*before, "--figures", *dict.fromkeys(("png", *formats)), *after]


def is_up_to_date(step: Step, arguments: list[str]) -> bool:
    """Return whether a step's results are those of a run with these flags, on the current code and inputs."""
    from pipeline.workflow.artifacts import ArtifactStore  # here, because it needs packages from .venv
    from pipeline.workflow.code_hash import hash_step_code
    from pipeline.workflow.fingerprint import find_changed

    store = ArtifactStore()
    manifest = store.manifest()
    record: dict[str, Any] | None = manifest["steps"].get(step.script)
    if step.script in manifest["started"] or not record:
        return False
    if (record["code"], record["arguments"]) != (hash_step_code(step.script), arguments):
        return False
    if find_changed(record["external_files"], ROOT):
        return False
    for name, sha256 in (record["inputs"] | record["outputs"]).items():
        entry = manifest["artifacts"].get(name, {})
        if entry.get("sha256") != sha256 or not (store.folder / entry["file"]).exists():
            return False
    return all(_has_result(pattern) for pattern in step.results)


def _has_result(pattern: str) -> bool:
    """Return whether a result exists; a figure in another of its formats counts."""
    name = pattern.removesuffix("png")
    patterns = [pattern] if name == pattern else [f"{name}{suffix}" for suffix in ("png", "svg", "pdf")]
    return any(any(RESULTS.glob(candidate)) for candidate in patterns)


def format_continue_command(options: argparse.Namespace, step: Step) -> str:
    """Return the command that continues this run with `step`."""
    command = ["python3 run.py"]
    if options.only:
        command.append(
            " ".join(["--only", *(str(number) for number in options.only if number >= step.number)])
        )
    else:
        command.append(f"--from {step.number}")
    flags = ("quick", "resume", "no_venv", "latest")
    command += [f"--{flag.replace('_', '-')}" for flag in flags if getattr(options, flag)]
    if options.figures:
        command.append(f"--figures {' '.join(options.figures)}")
    if options.model:
        command.append(f"--model {shell_quote(options.model)}")
    return " ".join(command)


def print_summary(durations: list[tuple[Step, float]], total_s: float) -> None:
    """Print which steps ran, how long they took, what they wrote, and the test accuracy if step 9 ran."""
    print(f"{'step':<43}{'seconds':>8}   output")
    for step, seconds in durations:
        results = ", ".join(f"results/{name}" for name in step.results)
        output = results or ", ".join(f"data/{name}" for name in step.writes)
        line = f"{step.number:>4}  {step.script:<37}{seconds:>8.1f}   {output}"
        print(textwrap.fill(line, SCREEN_WIDTH, subsequent_indent=" " * 54, break_on_hyphens=False))
    print(f"{'':>6}{'total':<37}{total_s:>8.1f}")
    if any(step.number == 9 for step, _ in durations):
        metrics = json.loads((RESULTS / "metrics.json").read_text(encoding="utf-8"))
        test = metrics["splits"]["test"]
        low, high = test["accuracy_ci95"]
        print(f"\nData: {metrics['data']}")
        print(
            f"{metrics['network']['name']}: test accuracy {test['accuracy']:.2%} on {test['faces']:,} faces "
            f"(95% interval {low:.2%} to {high:.2%})"
        )


def print_next_steps() -> None:
    """Print what to do after a run."""
    print(
        "\nNext:"
        "\n  look at the report                   open results/report.html in a browser"
        "\n  try your own photograph              python3 run.py --images me.jpg"
        "\n  recognize faces live                 python3 run.py --webcam   or   --page"
        "\n  change a hyperparameter              edit Compiling_model.py, then python3 run.py --resume",
        flush=True,
    )


def print_steps() -> None:
    """Print the steps and the scripts that can be step 7."""
    for step in STEPS:
        print(f"{step.number:>3}  {step.script:<37}{step.title}")
    print(f"Step 7 can be any of: {', '.join(list_build_scripts())} (python3 run.py --model SCRIPT)")
