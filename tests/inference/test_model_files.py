"""The files of an exported model are replaced as a set: all of them, or after an error none."""

from pathlib import Path

import pytest

from pipeline.inference.model_files import create_new_folder, replace_model_files

OLD = ("Net.keras", "Net.h5", "Net.tflite", "Net_int8.tflite", "Net.json", "Net.md", "Net.zip")
FOREIGN = ("Net2.keras", "Other.json", "metrics.json")


@pytest.fixture
def results(tmp_path) -> Path:
    """A folder with the files of an earlier network, a SavedModel among them, and other files."""
    folder = tmp_path / "results"
    (folder / "Net_saved_model" / "variables").mkdir(parents=True)
    (folder / "Net_saved_model" / "saved_model.pb").write_text("old")
    for name in (*OLD, *FOREIGN):
        (folder / name).write_text("old")
    return folder


def read_all(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write_new(folder: Path) -> None:
    for name in ("Net.keras", "Net.json", "Net.md"):
        (folder / name).write_text("new")


def test_new_files_replace_all_previous_ones_of_that_name(results):
    with create_new_folder(results, "Net") as folder:
        write_new(folder)
        replace_model_files(results, "Net", folder)
    assert read_all(results) == {
        **dict.fromkeys(("Net.keras", "Net.json", "Net.md"), "new"),
        **dict.fromkeys(FOREIGN, "old"),
    }
    assert not (results / "Net_saved_model").exists()


def test_a_saved_model_is_replaced_as_a_whole(results):
    with create_new_folder(results, "Net") as folder:
        (folder / "Net_saved_model").mkdir()
        (folder / "Net_saved_model" / "fingerprint.pb").write_text("new")
        replace_model_files(results, "Net", folder)
    assert [path.name for path in (results / "Net_saved_model").iterdir()] == ["fingerprint.pb"]


@pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyboardInterrupt, MemoryError])
def test_previous_files_stay_after_an_error(results, error):
    before = read_all(results)
    with pytest.raises(error), create_new_folder(results, "Net") as folder:
        write_new(folder)
        raise error
    assert read_all(results) == before and not list(results.glob(".unfinished*"))


def test_what_a_killed_process_left_is_not_used(results):
    leftover = results / ".unfinished-Net"
    leftover.mkdir()
    (leftover / "Net.onnx").write_text("incomplete")
    with create_new_folder(results, "Net") as folder:
        write_new(folder)
        replace_model_files(results, "Net", folder)
    assert not (results / "Net.onnx").exists() and not leftover.exists()


@pytest.mark.parametrize("n_renames", [0, 1, 2])
def test_a_process_killed_while_it_replaces_leaves_no_card_of_another_network(
    results, monkeypatch, n_renames
):
    """The new card comes last, after the old files are gone."""
    rename, count = Path.rename, iter(range(10))

    def rename_some(path: Path, target: Path) -> Path:
        if next(count) == n_renames:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_some)
    with pytest.raises(KeyboardInterrupt), create_new_folder(results, "Net") as folder:
        write_new(folder)
        replace_model_files(results, "Net", folder)
    remaining = {name: content for name, content in read_all(results).items() if name not in FOREIGN}
    assert set(remaining.values()) <= {"new"} and len(remaining) == n_renames
    assert "Net.keras" in remaining or not remaining


def test_folder_is_made_and_one_that_is_not_writable_is_found_at_once(tmp_path):
    with create_new_folder(tmp_path / "new" / "folder", "Net") as folder:
        write_new(folder)
        replace_model_files(tmp_path / "new" / "folder", "Net", folder)
    assert (tmp_path / "new" / "folder" / "Net.keras").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), create_new_folder(tmp_path / "file", "Net"):
        pytest.fail("there is no folder to write to")
