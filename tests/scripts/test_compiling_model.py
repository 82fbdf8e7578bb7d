"""Compiling_model.py as a process: reproducible weights, resume after kill -9, recipes and errors."""

import pytest
from helpers import Project, assert_same_bits, list_checkpoints, wait_for_epochs

pytestmark = pytest.mark.slow

EPOCHS = ("--epochs", 6)
AUGMENTED = (
    "--recipe",
    "augmented",
    "--epochs",
    4,
    "--warmup-epochs",
    0.5,
    "--mixup",
    0.2,
    "--class-weights",
)


def read_weights(project: Project) -> list:
    return project.store().read("trained_model")["weights"]


def train_with_kill(project: Project, n_epochs: int, *flags: object) -> str:
    """Kill a training after `n_epochs` epochs, run the same command again, and return its output."""
    process = project.start_soon("Compiling_model.py", *flags)
    wait_for_epochs(project, n_epochs, process)
    process.kill()
    process.communicate()
    return project.run("Compiling_model.py", *flags)


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    project = prepared.copy(tmp_path_factory.mktemp("trained") / "project")
    project.run("Compiling_model.py", *EPOCHS)
    return project


def test_a_killed_training_resumes_and_ends_with_the_same_weights(prepared, trained, tmp_path):
    project = prepared.copy(tmp_path / "killed")
    assert "Resuming after epoch" in train_with_kill(project, 2, *EPOCHS)
    assert_same_bits(read_weights(project), read_weights(trained))
    assert not list_checkpoints(project.store())


def test_a_killed_training_by_another_recipe_ends_with_the_same_weights(prepared, tmp_path):
    uninterrupted, killed = prepared.copy(tmp_path / "uninterrupted"), prepared.copy(tmp_path / "killed")
    uninterrupted.run("Compiling_model.py", *AUGMENTED)
    assert "Resuming after epoch" in train_with_kill(killed, 2, *AUGMENTED)
    assert_same_bits(read_weights(killed), read_weights(uninterrupted))


def test_a_recipe_sets_the_defaults_of_the_other_flags(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    output = project.run(
        "Compiling_model.py", "--recipe", "augmented", "--epochs", 1, "--warmup-epochs", 0, "--rotate", 3
    )
    assert "epochs = 1" in output and "120" in output and "batch_size" not in output
    recorded = project.store().entry("trained_model")["settings"]
    expected = {"recipe": "augmented", "optimizer": "adamw", "rotate": 3, "flip": True}
    assert recorded.items() >= expected.items()


def test_a_diverging_training_exits_with_a_remedy_and_keeps_the_trained_model(trained, tmp_path):
    project = trained.copy(tmp_path / "project")
    output = project.run("Compiling_model.py", "--epochs", 3, "--learning-rate", 1e30, status=1)
    assert "learning_rate" in output and "Traceback" not in output
    assert_same_bits(read_weights(project), read_weights(trained))


def test_a_setting_out_of_range_exits_with_its_name_and_value(project):
    output = project.run("Compiling_model.py", "--batch-size", 0, status=1)
    assert "batch_size is 0" in output and "Traceback" not in output


def test_freezing_a_network_without_a_backbone_exits_with_a_remedy(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    output = project.run("Compiling_model.py", "--frozen-epochs", 1, status=1)
    assert "LeNet-5" in output and "Transfer_Learning_model.py" in output and "Traceback" not in output
