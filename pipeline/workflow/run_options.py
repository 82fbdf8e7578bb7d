"""Declare and parse the options of run.py. Needs the standard library only."""

import argparse
from pathlib import Path

from pipeline.workflow.steps import BUILD_STEP, ROOT, STEPS, list_build_scripts


def parse_options(description: str) -> tuple[argparse.Namespace, list[str]]:
    """Return the options, and the flags of the script that recognizes faces or searches hyperparameters."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_actions(parser)
    add_run_options(parser)
    options, app_flags = parser.parse_known_args()
    if find_app(options):
        return options, [*format_app_flags(options), *app_flags]
    if app_flags and not options.search:
        parser.error(f"unrecognized arguments: {' '.join(app_flags)}")
    if options.model and Path(options.model).resolve().parent == ROOT:
        options.model = Path(options.model).name
    if options.model is not None and options.model not in list_build_scripts():
        parser.error(
            f"--model {options.model}: no such script. Choose from {', '.join(list_build_scripts())}."
        )
    return options, app_flags


def find_app(options: argparse.Namespace) -> str:
    """Return the script that recognizes faces as the options ask for, "" if they do not."""
    apps = {"Classification.py": options.images, "Webcam.py": options.webcam, "Webcam_page.py": options.page}
    return next((script for script, is_chosen in apps.items() if is_chosen), "")


def format_app_flags(options: argparse.Namespace) -> list[str]:
    """Return the flags of run.py that the script that recognizes faces has too."""
    flags = ["--images", *options.images] if options.images else []
    flags += ["--model", options.model] if options.model is not None else []
    return flags + (["--figures", *options.figures] if options.figures else [])


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


def add_run_options(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        "--figures",
        nargs="+",
        choices=("png", "svg", "pdf"),
        metavar="FORMAT",
        help="save the figures of all steps in these formats (png svg pdf) and in png, for the report",
    )
    parser.add_argument(
        "--show",
        action=argparse.BooleanOptionalAction,
        help="open the report, or the marked picture; default: only in a terminal on a computer with a display, "
        "for a run of all steps, --report, --compare, or --images with one file",
    )


def parse_step(text: str) -> int:
    numbers = [str(step.number) for step in STEPS]
    if text not in numbers:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no step; choose from 1 to {numbers[-1]}")
    return int(text)
