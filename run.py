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
    python3 run.py --figures png svg pdf   save the figures in these formats, to publish them
    python3 run.py --list                  list the steps
    python3 run.py --test                  run the tests

Uses FER2013 if it is beside this file (fer2013.csv or another form, see README.md), otherwise
synthetic faces. To recognize faces, which needs neither data nor training, and installs only what
that needs:

    python3 run.py --images me.jpg         in photographs, folders and videos (Classification.py)
    python3 run.py --webcam                in front of the camera, in a window (Webcam.py)
    python3 run.py --page                  in the browser: camera, photographs, videos (Webcam_page.py)

Further flags of these three scripts and of Search_Hyperparameters.py can follow, such as
--trials 50. In a terminal on a computer with a display, the marked picture of a file opens at the
end, and so does the report after a run of all steps.
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

from pipeline.figures import viewer
from pipeline.workflow import environment, runner
from pipeline.workflow.processes import run_and_wait
from pipeline.workflow.run_options import find_app, parse_options
from pipeline.workflow.steps import ROOT


def main() -> int:
    options, app_flags = parse_options(__doc__)
    if options.list:
        runner.print_steps()
        return 0
    if not options.no_venv:
        environment.install(choose_purpose(options), use_lock=not options.latest)
        if not environment.is_in_venv():
            command = [str(environment.VENV_PYTHON), str(ROOT / "run.py"), *sys.argv[1:]]
            return run_and_wait(command, Path.cwd())
    if app := find_app(options):
        names_one_file = len(options.images or ()) == 1 and Path(options.images[0]).is_file()
        app_flags += ["--show"] if opens(options, names_one_file) else []
        return run_and_wait([sys.executable, str(ROOT / app), *app_flags], Path.cwd())
    if options.test:
        return run_and_wait([sys.executable, "-m", "pytest"])
    if options.search:
        status = runner.run_search(options, app_flags)
    else:
        status = 0 if options.report or options.compare else runner.run_steps(options)
    if status == 0:
        write_report(options)
    if status == 0 and not options.search:
        runner.print_next_steps()
    return status


def choose_purpose(options: argparse.Namespace) -> str:
    """Return what to install packages for."""
    if options.page:
        return "page"
    purposes = {"test": options.test, "search": options.search, "recognize": find_app(options)}
    return next((purpose for purpose, is_chosen in purposes.items() if is_chosen), "train")


def opens(options: argparse.Namespace, is_awaited: bool) -> bool:
    """Return whether to open a result: as --show says, else if it is what somebody at this computer waits for."""
    return options.show if options.show is not None else is_awaited and viewer.is_watched()


def write_report(options: argparse.Namespace) -> None:
    """Write the report and print its path; open it as --show says."""
    from pipeline.reporting import html_report  # here, because it needs packages from .venv

    if options.compare:
        print(html_report.describe_comparison(*options.compare))
    path = html_report.write_report(options.compare and tuple(options.compare))
    print(f"\nReport: {path.relative_to(ROOT)}")
    if opens(options, is_awaited=not (options.resume or options.only or options.first)):
        viewer.open_file(path)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # between two steps
        sys.exit("run.py: Interrupted. Continue with the same command and --resume.")
    except (ValueError, OSError) as error:  # data/ or results/ holds a file that the steps did not write
        sys.exit(f"run.py: {format_error(error)}")
