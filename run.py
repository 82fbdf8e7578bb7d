#!/usr/bin/env python3
"""Run the facial-expression pipeline from nothing.

    python3 run.py                         install what is needed into .venv, then run steps 1 to 13
    python3 run.py --quick                 the same in about a minute, for a first look: fewer faces and epochs
    python3 run.py --from 7                steps 7 to 13
    python3 run.py --only 3 4 5            these steps
    python3 run.py --resume                only the steps whose script, settings or inputs have changed
    python3 run.py --model My_model.py     another step 7
    python3 run.py --report                only results/report.html, from the steps that have run
    python3 run.py --list                  what the steps are
    python3 run.py --test                  install, then run the tests

Uses Dataset.csv where it lies beside this file, else faces drawn to stand in for FER2013.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

if not (3, 10) <= sys.version_info[:2] <= (3, 13):  # before anything that an older Python can't even read
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"TensorFlow needs Python 3.10 to 3.13 and this is {found}. Start run.py with one of those.")

from pipeline.workflow.steps import RESULTS, ROOT, STEPS, Step, get_step

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.json"  # which requirements are installed
REQUIREMENTS = ROOT / "requirements.txt"
TEST_REQUIREMENTS = ROOT / "tests" / "requirements.txt"
PAGE_REQUIREMENTS = ROOT / "requirements-page.txt"
TRANSFER_REQUIREMENTS = ROOT / "requirements-transfer.txt"  # to be installed without what they ask for

QUICK = {"Load_dataSets.py": ["--sample-size", "5000"], "Compiling_model.py": ["--epochs", "6"]}


def main() -> int:
    options = parse()
    if options.list:
        print_steps()
        return 0
    if not options.no_venv and Path(sys.prefix).resolve() != VENV.resolve():
        tests = [TEST_REQUIREMENTS, PAGE_REQUIREMENTS, TRANSFER_REQUIREMENTS]
        install([REQUIREMENTS, *tests] if options.test else [REQUIREMENTS])
        return run_and_wait([str(VENV_PYTHON), str(ROOT / "run.py"), *sys.argv[1:]])
    if options.test:
        return run_and_wait([sys.executable, "-m", "pytest"])
    if options.report:
        write_report()
        return 0
    return run_steps(options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    numbers = range(1, len(STEPS) + 1)
    which.add_argument(
        "--from", dest="first", type=int, choices=numbers, metavar="N", help="run steps N to 13"
    )
    which.add_argument("--only", nargs="+", type=int, choices=numbers, metavar="N", help="run these steps")
    which.add_argument("--report", action="store_true", help="write results/report.html and end")
    which.add_argument("--list", action="store_true", help="list the steps and end")
    which.add_argument("--test", action="store_true", help="run the tests and end")
    parser.add_argument(
        "--model", default=STEPS[6].script, metavar="SCRIPT", help="the script that is step 7"
    )
    parser.add_argument(
        "--quick", action="store_true", help="about a minute: fewer drawn faces, fewer epochs"
    )
    parser.add_argument("--resume", action="store_true", help="leave out steps that are up to date")
    parser.add_argument(
        "--no-venv", action="store_true", help="use this Python and its packages, install nothing"
    )
    options = parser.parse_args()
    if options.model not in networks():
        parser.error(f"--model {options.model}: no such network. There is {', '.join(networks())}.")
    return options


# --------------------------------------------------------------------------------------------------
# Setting up
# --------------------------------------------------------------------------------------------------
def install(requirements: list[Path]) -> None:
    """Make .venv and install `requirements` into it, unless that is done already."""
    wanted = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in requirements
    }
    installed = read_stamp()
    if VENV_PYTHON.exists() and wanted.items() <= installed.items():
        return
    if not VENV_PYTHON.exists():
        make_venv()
    print(f"Installing {', '.join(wanted)} into .venv (the first time some 700 MB; minutes) ...", flush=True)
    pip = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    together, alone = list(pip), [*pip, "--no-deps"]
    for path in requirements:
        (alone if path == TRANSFER_REQUIREMENTS else together).extend(["-r", str(path)])
    if run_and_wait(together) or ("-r" in alone and run_and_wait(alone)):
        sys.exit(
            "The packages could not be installed; pip says why above. Is there a connection to the Python registry, "
            "and room on the disk? If .venv itself is broken, delete that folder and start again."
        )
    STAMP.write_text(json.dumps(installed | wanted, indent=1), encoding="utf-8")


def make_venv() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        sys.exit(
            "This Python lacks the module venv, which makes virtual environments. On Debian and Ubuntu this mends "
            f"it: sudo apt install python{version}-venv"
        )
    print("Making .venv ...", flush=True)
    if run_and_wait([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(f".venv could not be made. On Debian and Ubuntu try: sudo apt install python{version}-venv")


def read_stamp() -> dict[str, str]:
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


# --------------------------------------------------------------------------------------------------
# Running the steps
# --------------------------------------------------------------------------------------------------
def run_steps(options: argparse.Namespace) -> int:
    """Run the chosen steps in order, each in its own process; stop at the first that fails."""
    chosen = [step if step.number != 7 else get_step(options.model) for step in STEPS]
    if options.only:
        chosen = [step for step in chosen if step.number in options.only]
    chosen = [step for step in chosen if step.number >= (options.first or 1)]

    began, times = time.perf_counter(), []
    for step in chosen:
        arguments = QUICK.get(step.script, []) if options.quick else []
        if options.resume:
            arguments, is_current = look_back(step, arguments if options.quick else None)
            if is_current:
                print(f"Step {step.number}: {step.title} ({step.script}) is up to date", flush=True)
                continue
        started = time.perf_counter()
        status = run_and_wait([sys.executable, str(ROOT / step.script), *arguments])
        if status:
            what = "was stopped" if status == STOPPED else "ended with an error"
            print(f"\nStep {step.number} ({step.script}) {what}, so the run stops here.", flush=True)
            print(f"Go on later with: {the_rest(options, step)}", flush=True)
            return STOPPED if status == STOPPED else 1
        times.append((step, time.perf_counter() - started))
        print(f"  step {step.number} took {times[-1][1]:.1f} s\n", flush=True)
    summarize(times, time.perf_counter() - began)
    write_report()
    return 0


def write_report() -> None:
    from pipeline.reporting import html_report  # here, because it needs packages that only .venv has

    path = html_report.write_report()
    print(f"\nThe run on one page: {path.relative_to(ROOT)}")


def the_rest(options: argparse.Namespace, step: Step) -> str:
    """The command that goes on with `step` as this run would have."""
    command = ["python3 run.py"]
    if options.only:
        command.append(
            " ".join(["--only", *(str(number) for number in options.only if number >= step.number)])
        )
    else:
        command.append(f"--from {step.number}")
    command += [
        f"--{flag.replace('_', '-')}" for flag in ("quick", "resume", "no_venv") if getattr(options, flag)
    ]
    if options.model != STEPS[6].script:
        command.append(f"--model {options.model}")
    return " ".join(command)


def look_back(step: Step, arguments: list[str] | None) -> tuple[list[str], bool]:
    """The flags to run a step with, and whether that would only make again what is there.

    Without `arguments` they are those of the last time, so that what somebody chose on the command line, a data
    set above all, is not undone. Nothing new would come of it where script, settings and inputs are the same and
    all outputs are whole.
    """
    from pipeline.workflow.artifacts import (
        ArtifactStore,  # here, because these need packages that only .venv has
    )
    from pipeline.workflow.code_hash import hash_step_code
    from pipeline.workflow.fingerprint import has_changed

    store = ArtifactStore()
    manifest = store.manifest()
    record, artifacts = manifest["steps"].get(step.script), manifest["artifacts"]
    if not record:
        return arguments or [], False
    if arguments is None:
        arguments = record["arguments"]
    if (record["code"], record["arguments"]) != (hash_step_code(step.script), arguments):
        return arguments, False
    if any(has_changed(ROOT / path, before) for path, before in record["files"].items()):
        return arguments, False
    for name, digest in (record["inputs"] | record["outputs"]).items():
        entry = artifacts.get(name, {})
        if entry.get("sha256") != digest or not (store.folder / entry["file"]).exists():
            return arguments, False
    return arguments, all(any(RESULTS.glob(pattern)) for pattern in step.results)


STOPPED = 130  # a process's exit status after Ctrl-C, by custom


def run_and_wait(command: list[str]) -> int:
    """Run a command in the project's folder and return its exit status; Ctrl-C is left for it to answer."""
    environment = os.environ | {"PYTHONUTF8": "1"}  # some terminals can't show a progress bar otherwise
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue  # the terminal sent it to the command as well
            return STOPPED if status == -signal.SIGINT else status


def summarize(times: list[tuple[Step, float]], seconds: float) -> None:
    """What ran, how long it took, and where to look for what it made."""
    print(f"{'step':<43}{'seconds':>8}   made")
    for step, took in times:
        made = ", ".join(f"results/{name}" for name in step.results) or ", ".join(
            f"data/{name}" for name in step.writes
        )
        print(f"{step.number:>4}  {step.script:<37}{took:>8.1f}   {made}")
    print(f"{'':>6}{'together':<37}{seconds:>8.1f}")
    if any(step.number == 9 for step, _ in times):
        told = json.loads((RESULTS / "metrics.json").read_text(encoding="utf-8"))
        test = told["splits"]["test"]
        low, high = test["accuracy_95"]
        right = f"{test['accuracy']:.2%} of {test['faces']:,} test faces right"
        print(f"\nDATA: {told['data'].upper()}")
        print(f"{told['network']['name']}: {right} (95% interval {low:.2%} to {high:.2%})")


def print_steps() -> None:
    for step in STEPS:
        print(f"{step.number:>3}  {step.script:<37}{step.title}")
    print(f"Step 7 can be any of: {', '.join(networks())} (python3 run.py --model SCRIPT)")


def networks() -> list[str]:
    """The scripts that can be step 7."""
    others = ("Compiling_model.py", "Save_model.py")
    return sorted(path.name for path in ROOT.glob("*_model.py") if path.name not in others)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:  # what was in data/ or results/ is not what the steps write
        sys.exit(f"run.py: {error}")
