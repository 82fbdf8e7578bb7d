"""Which network the files in results/ belong to."""

import pytest

from pipeline.workflow import results_index
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.results_index import check_network, list_other_networks, record_network


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    monkeypatch.setattr(results_index, "RESULTS", folder)
    folder.mkdir()
    return folder


@pytest.fixture
def open_store(tmp_path):
    """Open the store of a step that has read some artifacts."""

    def open_for(*reads: str) -> ArtifactStore:
        store = ArtifactStore(tmp_path / "data", "Step.py")
        for name in reads:
            store.read(name)
        return store

    return open_for


@pytest.fixture
def train(open_store):
    """Train a network and predict with it: write the artifacts with these values."""

    def train(weights: str, predictions: str = "", model: str = "model") -> None:
        if not open_store().has("model"):
            open_store().write(model=model)
        open_store("model").write(trained_model=weights, history=f"history of {weights}")
        open_store("trained_model", "history").write(predictions=predictions or weights)

    return train


@pytest.fixture
def write_file(results, open_store):
    """Write a file in results/ whose step reads some artifacts."""

    def write(name: str, *reads: str) -> None:
        with record_network(open_store(*reads), name):
            (results / name).write_text("content")

    return write


FILES = {
    "metrics.json": ("trained_model", "history"),
    "matrix.png": ("predictions",),
    "curves.png": ("history",),
    "export.keras": ("trained_model",),
}


def test_files_of_the_network_in_data_pass(train, write_file, open_store):
    train("a")
    for name, reads in FILES.items():
        write_file(name, *reads)
        check_network(open_store(), name)


@pytest.mark.parametrize(("name", "reads"), FILES.items())
def test_files_of_an_earlier_network_are_refused(train, write_file, open_store, name, reads):
    train("a")
    write_file(name, *reads)
    train("b")
    with pytest.raises(ValueError, match="earlier network"):
        check_network(open_store(), name)
    write_file(name, *reads)
    check_network(open_store(), name)


def test_files_of_earlier_predictions_of_the_network_are_refused(train, write_file, open_store):
    train("a", predictions="one view")
    write_file("matrix.png", "predictions")
    train("a", predictions="18 views")
    with pytest.raises(ValueError, match="earlier predictions"):
        check_network(open_store(), "matrix.png")


def test_a_network_that_is_not_trained_yet_is_not_taken_for_the_trained_one(train, write_file, open_store):
    train("a")
    write_file("model.json", "model")
    write_file("metrics.json", *FILES["metrics.json"])
    check_network(open_store(), "model.json")
    open_store().write(model="another")
    write_file("model.json", "model")
    with pytest.raises(ValueError, match=r"Compiling_model\.py"):
        check_network(open_store(), "model.json")
    check_network(open_store(), "metrics.json")  # still that of the trained one


def test_a_network_that_is_built_first_passes(open_store, write_file):
    open_store().write(model="first")
    write_file("model.json", "model")
    check_network(open_store(), "model.json")


def test_an_interrupted_or_failed_write_leaves_no_digest(train, results, open_store, write_file):
    train("a")
    write_file("matrix.png", "predictions")
    with pytest.raises(OSError), record_network(open_store("predictions"), "matrix.png"):
        raise OSError("disk full")
    with pytest.raises(ValueError, match="not known"):
        check_network(open_store(), "matrix.png")


@pytest.mark.parametrize("index", [None, "", "{torn", "[]", '{"matrix.png": "abc"}', "\udcff"])
def test_without_a_valid_index_the_network_is_unknown(train, results, open_store, index):
    train("a")
    (results / "matrix.png").write_text("content")
    if index is not None:
        (results / results_index.INDEX_NAME).write_text(index, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match="not known"):
        check_network(open_store(), "matrix.png")


def test_without_data_the_files_are_those_of_the_metrics(train, write_file, open_store, tmp_path):
    train("a")
    write_file("matrix.png", "predictions")
    write_file("old.png", "history")
    train("b")
    write_file("metrics.json", "trained_model", "history")
    write_file("matrix.png", "predictions")
    (tmp_path / "data").rename(tmp_path / "moved")
    assert list_other_networks(open_store(), ["metrics.json", "matrix.png", "old.png"]) == ["old.png"]


def test_a_missing_file_is_an_error_of_its_own_and_leaves_the_index(train, results, write_file, open_store):
    train("a")
    write_file("matrix.png", "predictions")
    (results / "matrix.png").unlink()
    write_file("curves.png", "history")
    with pytest.raises(FileNotFoundError):
        check_network(open_store(), "matrix.png")
    assert "matrix.png" not in (results / results_index.INDEX_NAME).read_text(encoding="utf-8")


def test_digests_of_a_network_that_is_not_in_data_are_kept(results, open_store):
    with record_network(open_store(), "table.csv", digests={"classifier": "abc"}):
        (results / "table.csv").write_text("content")
    check_network(open_store(), "table.csv")
