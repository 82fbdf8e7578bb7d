"""The inputs that a user names: files, folders and glob patterns, without loops of links."""

import sys
from collections import Counter

import pytest

from pipeline.vision.inputs import Inputs, find_inputs


def find_names(*names: str) -> list[str]:
    return [path.as_posix() for path in find_inputs(list(names)).files]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = (
        "f/a.jpg", "f/b.MP4", "f/c.csv.gz", "f/notes.txt", "f/._a.jpg", "f/g/d.png", "f/h.jpg/e.webp", "[1].png",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_contains_its_images_videos_and_csv_files(tree):
    inside = ["f/a.jpg", "f/b.MP4", "f/c.csv.gz", "f/g/d.png", "f/h.jpg/e.webp"]
    assert find_names("f") == inside
    assert find_names(str(tree / "f")) == [f"{tree.as_posix()}/{name}" for name in inside]


def test_a_pattern_names_files_and_folders_each_once(tree):
    assert find_names("f/*.jpg") == ["f/a.jpg", "f/h.jpg/e.webp"]
    assert find_names("f/**/*.png", "f/?/d.png", "f/g") == ["f/g/d.png"]
    assert find_names(str(tree / "f" / "g" / "*")) == [f"{tree.as_posix()}/f/g/d.png"]


def test_missing_files_and_unknown_extensions_are_kept_when_named(tree):
    names = ["[1].png", "[f]/a.*", "none*.png", "gone.jpg", "f/notes.txt"]
    assert find_names(*names) == ["[1].png", "f/a.jpg", "none*.png", "gone.jpg", "f/notes.txt"]


def test_what_a_folder_has_besides_is_counted_by_extension(tree):
    for name in ("f/a.TXT", "f/g/b.docx", "f/README", "f/app.ts"):
        (tree / name).write_text("This is text.")
    inputs = find_inputs(["f", "f/g"])
    assert inputs.skipped == {".txt": 2, ".docx": 1, "without extension": 1, ".ts": 1}
    assert inputs.describe_skipped().startswith("2 .txt, ")
    assert find_inputs(["f/a.jpg"]).describe_skipped() == ""


def test_many_extensions_are_summed_up():
    inputs = Inputs([], Counter({f".{index}": 20 - index for index in range(12)}))
    assert inputs.describe_skipped().endswith(", 19 others")


@pytest.mark.parametrize(
    "name", ["https://example.org/a.jpg", "http://x/y", "ftp://x/a.png", "file:///a.jpg"]
)
def test_an_address_is_refused_by_name(name):
    with pytest.raises(ValueError, match=name):
        find_inputs(["a.jpg", name])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_to_folders_are_not_followed(tree):
    for name in ("f/up", "f/g/up", "f/g/again"):
        (tree / name).symlink_to(tree / "f", target_is_directory=True)
    (tree / "f" / "loop.png").symlink_to("loop.png")
    assert find_names("f/**/*.png") == ["f/g/d.png", "f/loop.png"]
    assert [name for name in find_names("f") if name.endswith(".png")] == ["f/g/d.png", "f/loop.png"]
