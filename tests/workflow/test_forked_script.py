"""A script in a fork behaves as one that `python script arguments` runs, and computes with TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from pipeline.workflow.code_hash import find_step_files
from pipeline.workflow.forked_script import uses_keras
from pipeline.workflow.steps import STEPS, list_build_scripts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="scripts are forked on Linux only")

PARENT = """
import sys
from pathlib import Path
from pipeline.workflow import forked_script
forked_script.uses_keras = lambda script: sys.argv[1] == "fork"
forked_script.can_fork = lambda: True
print("before ", end="")
print(" status", forked_script.run_script(Path(sys.argv[2]), sys.argv[3:]))
"""


def run(kind: str, script: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a script in a fork of a new process, or in a new process of a new process."""
    return subprocess.run(
        [sys.executable, "-c", PARENT, kind, script, *arguments],
        input="typed\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize(
    "code",
    [
        "print(sys.argv, sys.orig_argv[1:], __file__, __doc__, __spec__, os.getcwd(), input())",
        "print(os.environ['PYTHONUTF8'], os.environ.get('PYTHONSAFEPATH'), sys.stdout.encoding)",
        "import pipeline.workflow.steps as steps; print('forked_script' in str(sys.modules), steps.ROOT)",
        "import atexit; atexit.register(print, 'at the end')",
        "import threading; threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()",
        "sys.exit(3)",
        "sys.exit('a message')",
        "def fail(): 1 / 0\nfail()",
        "import pipeline.workflow.errors\nimport a_missing_library",
        "import pipeline.workflow.errors\nraise KeyboardInterrupt",
        "this is no Python",
        "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "print(signal.getsignal(signal.SIGTERM), signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    ],
)
def test_a_fork_behaves_as_a_new_process(tmp_path, code):
    script = tmp_path / "a script.py"
    script.write_text(f'"""A docstring."""\nimport os, signal, sys, time\n{code}\n', encoding="utf-8")
    forked, started = (run(kind, script, "--flag", "a value") for kind in ("fork", "new"))
    assert (forked.stdout, forked.stderr) == (started.stdout, started.stderr)
    assert forked.stdout.startswith("before ") and "status" in forked.stdout


@pytest.mark.slow
def test_forks_of_a_process_with_the_libraries_compute_with_tensorflow(project):
    """TensorFlow starts nothing before a fork: its threads would be missing there."""
    (project.root / "compute.py").write_text(
        "import keras; print('sum', float(keras.ops.sum(keras.ops.ones(7))))\n"
    )
    (project.root / "parent.py").write_text(
        "from pathlib import Path\n"
        "from tensorflow.python.eager import context\n"
        "from pipeline.workflow import forked_script\n"
        "assert forked_script.can_fork() and context._context is None\n"
        "script = Path(__file__).with_name('compute.py')\n"
        "for _ in range(2):\n"
        "    print('status', forked_script.run_script(script, []), flush=True)\n"
    )
    printed = project.run("parent.py")
    assert printed.count("sum 7.0") == printed.count("status 0") == 2, printed


def test_the_steps_that_import_keras_use_it():
    backend = ROOT / "pipeline" / "models" / "backend.py"
    importing = {step.number for step in STEPS if backend in find_step_files(ROOT / step.script)}
    assert importing - {12} == {
        step.number for step in STEPS if uses_keras(ROOT / step.script)
    }  # 12: .keras files only
    assert all(uses_keras(ROOT / script) for script in list_build_scripts())


@pytest.mark.parametrize(
    ("backend", "expected"), [("tensorflow", True), ("jax", False), ("torch", False), (None, False)]
)
def test_a_missing_library_or_another_backend_is_not_forked(tmp_path, backend, expected):
    if backend:
        (tmp_path / "keras.py").write_text(f"class backend:\n    backend = lambda: {backend!r}\n")
    code = (
        "import sys; from pipeline.workflow import forked_script; forked_script.LIBRARIES = ('keras',); "
        f"sys.path[:] = [{str(tmp_path)!r}, *(path for path in sys.path if 'packages' not in path)]; "
        "print(forked_script.can_fork())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == str(expected), result.stderr
