#!/usr/bin/env python3
"""Install the packages into .venv, then run the steps of the facial-expression pipeline.

    python3 run.py                         steps 1 to 13
    python3 run.py --quick                 the same with fewer synthetic faces and epochs, in about a minute
    python3 run.py --from 7                steps 7 to 13
    python3 run.py --only 3 4 5            these steps
    python3 run.py --resume                only the steps whose code, settings or inputs have changed
    python3 run.py --model My_model.py     another step 7
    python3 run.py --report                only results/report.html, from the steps that have run
    python3 run.py --compare 1 2           compare two trainings, by their numbers in the report
    python3 run.py --search                search hyperparameters of step 8 (Search_Hyperparameters.py)
    python3 run.py --list                  list the steps
    python3 run.py --test                  run the tests

Uses FER2013 if it is beside this file (fer2013.csv or another form, see README.md), otherwise synthetic faces. To
recognize faces, which needs neither data nor training, and installs only what that needs:

    python3 run.py --images me.jpg         in photographs, folders and videos (Classification.py)
    python3 run.py --webcam                in front of the camera, in a window (Webcam.py)
    python3 run.py --page                  in the browser: camera, photographs, videos (Webcam_page.py)

Further flags of these three scripts and of Search_Hyperparameters.py can follow, such as --trials 50.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # which `python -P` leaves out

from pipeline.workflow.python_version import SUPPORTED_VERSIONS, explain_unsupported_python

if sys.version_info[:2] not in SUPPORTED_VERSIONS:  # before any import that an older Python cannot parse
    sys.exit(explain_unsupported_python(sys.version_info))

from pathlib import Path

from pipeline.workflow.errors import format_error

from pipeline.workflow import environment, runner
from pipeline.workflow.processes import run_and_wait
from pipeline.workflow.steps import BUILD_STEP, ROOT, STEPS, list_build_scripts


def main() -> int:
    options, app_flags = parse_options()
    if options.list:
        runner.print_steps()
        return 0
    if not options.no_venv:
        environment.install(choose_purpose(options), use_lock=not options.latest)
        if not environment.is_in_venv():
            command = [str(environment.VENV_PYTHON), str(ROOT / "run.py"), *sys.argv[1:]]
            return run_and_wait(command, Path.cwd())
    if app := find_app(options):
        return run_and_wait([sys.executable, str(ROOT / app), *app_flags], Path.cwd())
    if options.test:
        return run_and_wait([sys.executable, "-m", "pytest"])
    if options.search:
        status = runner.run_search(options, app_flags)
    else:
        status = 0 if options.report or options.compare else runner.run_steps(options)
    if status == 0:
        write_report(options.compare)
    if status == 0 and not options.search:
        runner.print_next_steps()
    return status


def choose_purpose(options: argparse.Namespace) -> str:
    """Return what to install packages for."""
    if options.page:
        return "page"
    purposes = {"test": options.test, "search": options.search, "recognize": find_app(options)}
    return next((purpose for purpose, is_chosen in purposes.items() if is_chosen), "train")


def find_app(options: argparse.Namespace) -> str:
    """Return the script that recognizes faces as the options ask for, "" if they do not."""
    apps = {"Classification.py": options.images, "Webcam.py": options.webcam, "Webcam_page.py": options.page}
    return next((script for script, is_chosen in apps.items() if is_chosen), "")


def parse_options() -> tuple[argparse.Namespace, list[str]]:
    """Return the options, and the flags of the script that recognizes faces or searches hyperparameters."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_actions(parser)
    parser.add_argument(
        "--model",
        metavar="SCRIPT",
        help=f"the script to run as step 7; default: {BUILD_STEP.script}, with --resume the last one; "
        "to recognize faces: the file of a network",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer synthetic faces and epochs: about a minute"
    )
    parser.add_argument("--resume", action="store_true", help="skip the steps that are up to date")
    parser.add_argument(
        "--latest",
        action="store_true",
        help="install the newest versions that pyproject.toml allows, not the locked ones",
    )
    parser.add_argument(
        "--no-venv", action="store_true", help="use this Python and its packages; install nothing"
    )
    options, app_flags = parser.parse_known_args()
    if find_app(options):
        images = ["--images", *options.images] if options.images else []
        model = ["--model", options.model] if options.model is not None else []
        return options, [*images, *model, *app_flags]
    if app_flags and not options.search:
        parser.error(f"unrecognized arguments: {' '.join(app_flags)}")
    if options.model and Path(options.model).resolve().parent == ROOT:
        options.model = Path(options.model).name
    if options.model is not None and options.model not in list_build_scripts():
        parser.error(
            f"--model {options.model}: no such script. Choose from {', '.join(list_build_scripts())}."
        )
    return options, app_flags


def add_actions(parser: argparse.ArgumentParser) -> None:
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--from", dest="first", type=parse_step, metavar="N", help="run steps N to 13")
    action.add_argument("--only", nargs="+", type=parse_step, metavar="N", help="run these steps")
    action.add_argument("--report", action="store_true", help="write results/report.html and exit")
    action.add_argument(
        "--compare", nargs=2, type=int, metavar="RUN", help="compare two trainings, in the report and here"
    )
    action.add_argument("--search", action="store_true", help="search hyperparameters of step 8")
    action.add_argument(
        "--images", nargs="+", metavar="FILE", help="recognize the faces in these files and folders"
    )
    action.add_argument("--webcam", action="store_true", help="recognize faces in front of the camera")
    action.add_argument("--page", action="store_true", help="recognize faces on a page in the browser")
    action.add_argument("--list", action="store_true", help="list the steps and exit")
    action.add_argument("--test", action="store_true", help="run the tests and exit")


def parse_step(text: str) -> int:
    numbers = [str(step.number) for step in STEPS]
    if text not in numbers:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no step; choose from 1 to {numbers[-1]}")
    return int(text)


def write_report(compared: list[int] | None = None) -> None:
    from pipeline.reporting import html_report  # here, because it needs packages from .venv

    if compared:
        print(html_report.describe_comparison(compared[0], compared[1]))
    path = html_report.write_report(compared and (compared[0], compared[1]))
    print(f"\nReport: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # between two steps
        sys.exit("run.py: Interrupted. Continue with the same command and --resume.")
    except (ValueError, OSError) as error:  # data/ or results/ holds a file that the steps did not write
        sys.exit(f"run.py: {format_error(error)}")
