"""Test how the files of an upload are processed, without a server."""

from pathlib import Path

import pytest

pytest.importorskip("gradio")

from pipeline.web.components import Result
from pipeline.web.tabs import MAX_FILES, process_uploads


@pytest.fixture
def create_files(tmp_path):
    def create(n_files: int) -> list[Path]:
        paths = [tmp_path / str(index) / f"{index}.png" for index in range(n_files)]
        for path in paths:
            path.parent.mkdir()
            path.touch()
        return paths

    return create


def process(path: Path, show_progress) -> Result:
    if path.stem == "1":
        raise ValueError(f"{path} is not a picture that can be read.")
    show_progress(0.5)
    return Result(f"<p>{path.name}</p>", [], 1)


def test_file_with_an_error_does_not_keep_others_from_their_results(create_files, tmp_path):
    fractions = []
    paths = create_files(4)
    html = process_uploads(
        [str(path) for path in paths], process, lambda fraction, desc: fractions.append(fraction)
    )
    assert [f"<p>{index}.png</p>" in html for index in range(4)] == [True, False, True, True]
    assert "1.png is not a picture" in html and str(tmp_path) not in html
    assert fractions == [0, 0.125, 0.25, 0.5, 0.625, 0.75, 0.875]
    assert not list(tmp_path.iterdir())


def test_files_beyond_the_maximum_are_deleted_unprocessed(create_files, tmp_path):
    paths = create_files(MAX_FILES + 2)
    html = process_uploads([str(path) for path in paths], process, lambda fraction, desc: None)
    assert f"{MAX_FILES - 1}.png" in html and f"<p>{MAX_FILES}.png" not in html
    assert f"{MAX_FILES} of {MAX_FILES + 2}" in html and not list(tmp_path.iterdir())


def test_files_are_deleted_when_processing_fails_unexpectedly(create_files, tmp_path):
    def fail(path: Path, show_progress) -> Result:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        process_uploads([str(path) for path in create_files(2)], fail, lambda fraction, desc: None)
    assert not list(tmp_path.iterdir())
