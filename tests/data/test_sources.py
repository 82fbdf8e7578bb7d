"""A data set is found beside run.py or where the user says, in all forms in which FER2013 is distributed."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import write_image_folder
from PIL import Image

from pipeline.data import csv_reader, fer2013, image_archive, sources
from pipeline.data.csv_file import choose_csv
from pipeline.data.fer2013 import EMOTIONS, USAGES, Table
from pipeline.data.image_archive import extract_images

SPLITS = dict(zip(USAGES, ("train", "val", "test"), strict=True))


@pytest.fixture(scope="module")
def table(small_table) -> Table:
    """The first faces of each split."""
    rows = np.concatenate([np.flatnonzero(small_table["Usage"] == usage)[:8] for usage in USAGES])
    return {name: column[rows] for name, column in small_table.items()}


@pytest.fixture(scope="module")
def content(table, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("csv") / "fer2013.csv"
    csv_reader.write_csv(table, path)
    return path.read_bytes()


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def assert_reads(path: Path, table: Table) -> None:
    read, note, form = sources.resolve(path).read()
    assert (
        note == ""
        and form == "CSV"
        and all(np.array_equal(read[name], table[name]) for name in fer2013.COLUMNS)
    )


COMPRESS = {
    "fer2013.tar": lambda content: content,
    "fer2013.tar.gz": lambda content: gzip.compress(content, 1),
    "fer2013.tgz": lambda content: gzip.compress(content, 1),
    "fer2013.tar.xz": lambda content: lzma.compress(content, preset=0),
    "fer2013.tar.bz2": bz2.compress,
}


@pytest.mark.parametrize("name", COMPRESS)
def test_a_csv_in_a_tar_archive_is_read(tmp_path, table, content, name):
    files = {
        "fer2013/README": b"read me",
        "fer2013/._fer2013.csv": b"added by macOS",
        "fer2013/fer2013.csv": content,
        "fer2013/fer2013.bib": b"@article{}",
    }
    (tmp_path / name).write_bytes(COMPRESS[name](tar_of(files)))
    assert_reads(tmp_path / name, table)


def test_kaggles_archive_of_2013_is_read(tmp_path, table, content):
    others = dict.fromkeys(("train.csv", "test.csv", "example_submission.csv", "fer2013.tar.gz"), b"other")
    (tmp_path / "kaggle.zip").write_bytes(zip_of(others | {"icml_face_data.csv": content}))
    assert_reads(tmp_path / "kaggle.zip", table)


def images_of(table: Table, prefix: str = "") -> dict[str, bytes]:
    """Return {path in an archive: PNG} of a table."""
    files = {}
    for row, (label, pixels, usage) in enumerate(
        zip(table["emotion"], table["pixels"], table["Usage"], strict=True)
    ):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        files[f"{prefix}{SPLITS[usage]}/{EMOTIONS[label].lower()}/{row:05}.png"] = buffer.getvalue()
    return files


def sorted_rows(table: Table) -> list[tuple]:
    images = [pixels.tobytes() for pixels in table["pixels"]]
    return sorted(zip(table["Usage"].tolist(), table["emotion"].tolist(), images, strict=True))


@pytest.mark.parametrize("pack", [zip_of, tar_of, lambda files: gzip.compress(tar_of(files), 1)])
@pytest.mark.parametrize("prefix", ["", "images/", "fer2013/"])
def test_the_images_in_an_archive_are_read(tmp_path, table, pack, prefix):
    files = images_of(table, prefix) | {"__MACOSX/train/happy/._1.png": b"added by macOS", "readme.txt": b""}
    (tmp_path / "archive").write_bytes(pack(files))
    read, note, form = sources.resolve(tmp_path / "archive").read()
    assert sorted_rows(read) == sorted_rows(table) and note == "" and form == "images"


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize("files", [{}, {"readme.txt": b""}, {"a.png": b""}, {"../train/happy/1.png": b""}])
def test_an_archive_without_faces_is_refused_by_name(tmp_path, pack, files):
    (tmp_path / "archive").write_bytes(pack(files | {"notes.txt": b"no faces"}))
    with pytest.raises((ValueError, FileNotFoundError), match="archive"):
        sources.resolve(tmp_path / "archive").read()
    assert not (tmp_path.parent / "train").exists()


@pytest.mark.parametrize("name", ["../1.png", "/train/happy/1.png", "a/../../1.png", "C:\\1.png", "C:/1.png"])
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_no_image_is_extracted_out_of_the_folder(tmp_path, pack, name):
    (tmp_path / "archive").write_bytes(pack({name: b"image"}))
    assert extract_images(tmp_path / "archive", tmp_path / "images") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_member_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_archive, "MAX_IMAGE_BYTES", 100)
    (tmp_path / "archive").write_bytes(zip_of({"train/happy/1.png": bytes(101)}))
    with pytest.raises(ValueError, match="archive"):
        extract_images(tmp_path / "archive", tmp_path / "images")


def test_kaggles_archive_of_images_beside_run_py_is_found_but_not_another_one(tmp_path, table):
    (tmp_path / "archive.zip").write_bytes(zip_of({"holiday/1.png": b"", "notes.csv": b""}))
    assert sources.find_beside(tmp_path) == []
    (tmp_path / "archive.zip").write_bytes(zip_of(images_of(table)))
    (source,) = sources.find_beside(tmp_path)
    read = source.read()[0]
    assert sorted_rows(read) == sorted_rows(table)


def test_a_truncated_tar_archive_is_refused(tmp_path, content):
    packed = tar_of({"fer2013/fer2013.csv": content})
    (tmp_path / "fer2013.tar").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match=r"fer2013\.tar"):
        sources.resolve(tmp_path / "fer2013.tar").read()


def test_links_in_a_tar_archive_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        member = tarfile.TarInfo("fer2013.csv")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ValueError, match=r"links\.tar"):
        sources.resolve(tmp_path / "links.tar").read()


@pytest.mark.parametrize("name", ["fer2013.csv", "deep/er/fer2013.csv", "icml_face_data.csv", "my faces.csv"])
def test_a_folder_with_a_csv_in_it_is_read(tmp_path, table, content, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(content)
    for other in ("fer2013new.csv", "test.csv", ".hidden.csv", "notes.txt"):
        (tmp_path / other).write_text("no faces")
    assert_reads(tmp_path, table)


def test_images_are_preferred_to_a_csv_with_another_name_but_not_to_fer2013(tmp_path, table, content):
    write_image_folder(tmp_path, table, SPLITS)
    (tmp_path / "train.csv").write_text("image,emotion")
    (tmp_path / "list.csv").write_text("image,emotion")
    assert sources.resolve(tmp_path).path == tmp_path
    (tmp_path / "fer2013.csv").write_bytes(content)
    assert_reads(tmp_path, table)


def write_split_files(folder: Path, content: bytes, names: list[str], n_fields: int = 2) -> None:
    """Write the rows of each split as a CSV without Usage; with n_fields 1 the last one has no labels either."""
    header, *rows = content.decode().splitlines()
    for name, usage in zip(names, USAGES, strict=True):
        lines = [header, *(row for row in rows if row.endswith(f",{usage}"))]
        columns = slice(1, 2) if n_fields == 1 and usage == USAGES[-1] else slice(0, 2)
        (folder / name).write_text("\n".join(",".join(line.split(",")[columns]) for line in lines))


@pytest.mark.parametrize(
    "names",
    [
        *(["train.csv", "val.csv", "test.csv"], ["Train.csv", "Validation.csv", "Test.csv"]),
        ["training.csv", "public_test.csv", "private_test.csv"],
    ],
)
def test_a_csv_for_each_split_is_read(tmp_path, table, content, names):
    write_split_files(tmp_path, content, names)
    read, note, form = sources.resolve(tmp_path).read()
    assert all(np.array_equal(read[name], table[name]) for name in fer2013.COLUMNS)
    assert note == "" and form != "CSV"
    assert read["origin"][[0, 8, 23]].tolist() == [f"{names[0]}:1", f"{names[1]}:1", f"{names[2]}:8"]


def test_kaggles_test_csv_without_labels_is_passed_over(tmp_path, content):
    write_split_files(tmp_path, content, ["train.csv", "val.csv", "test.csv"], n_fields=1)
    for source in (sources.resolve(tmp_path), *sources.find_beside(tmp_path)):
        read, note, _ = source.read()
        assert set(read["Usage"]) == set(USAGES[:2]) and "test.csv" in note


def test_a_csv_that_the_user_names_is_read_alone(tmp_path, content):
    write_split_files(tmp_path, content, ["train.csv", "val.csv", "test.csv"])
    read, _, form = sources.resolve(tmp_path / "train.csv").read()
    assert len(read["emotion"]) == 8 and "Usage" not in read and form == "CSV"
    assert read["origin"].tolist() == [str(row) for row in range(1, 9)]


def test_two_files_for_a_split_are_refused_by_name(tmp_path, content):
    write_split_files(tmp_path, content, ["train.csv", "val.csv", "test.csv"])
    (tmp_path / "valid.csv").write_bytes((tmp_path / "val.csv").read_bytes())
    with pytest.raises(ValueError, match=r"val\.csv, valid\.csv"):
        sources.resolve(tmp_path)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a/icml_face_data.csv", "a/fer2013.csv"], "a/fer2013.csv"),
        (["train.csv", "test.csv"], "train.csv"),
        (["x/y/fer2013.csv", "x/FER2013.CSV"], "x/FER2013.CSV"),
        (["fer2013new.csv", "other.csv"], "other.csv"),
        (["__MACOSX/fer2013.csv", "readme.txt"], None),
        ([], None),
    ],
)
def test_the_csv_with_the_faces_is_chosen(names, chosen):
    assert choose_csv(names, Path("folder")) == chosen


def test_several_csv_files_with_unknown_names_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"a\.csv, b\.csv"):
        choose_csv(["a.csv", "b.csv"], tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("Dataset.csv", "fer2013.csv", "FER2013.csv", "icml_face_data.csv", "train.csv"),
        *("fer2013/fer2013.csv", "Fer2013/data/icml_face_data.csv", "dataset/faces.csv"),
    ],
)
def test_a_csv_beside_run_py_is_found(tmp_path, table, content, name):
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / name).write_bytes(content)
    (source,) = sources.find_beside(tmp_path)
    assert_reads(source.path, table)


@pytest.mark.parametrize(
    "name", ["fer2013.csv.gz", "fer2013.tar.gz", "Dataset.csv.zip", "icml_face_data.csv.xz"]
)
def test_an_archive_beside_run_py_is_found(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert [source.path.name for source in sources.find_beside(tmp_path)] == [name]


def test_folders_of_splits_beside_run_py_are_found_and_nothing_else_is_read(tmp_path, table):
    write_image_folder(tmp_path, table, SPLITS)
    write_image_folder(tmp_path / "results", table, SPLITS)
    (source,) = sources.find_beside(tmp_path)
    assert source.name == "test/ and train/ and val/"
    assert source.dependencies == tuple(tmp_path / name for name in ("test", "train", "val"))
    read = source.read()[0]
    assert len(read["emotion"]) == len(table["emotion"])


def test_a_folder_of_images_beside_run_py_is_found(tmp_path, table):
    write_image_folder(tmp_path / "fer2013", table, SPLITS)
    assert [source.path.name for source in sources.find_beside(tmp_path)] == ["fer2013"]


def test_folders_without_faces_are_not_found(tmp_path):
    for name in ("train", "test/happy", "fer2013", "Dataset/images"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "train" / "notes.txt").write_text("no face")
    (tmp_path / "fer2013new.csv").write_text("votes")
    assert sources.find_beside(tmp_path) == []


def test_several_data_sets_are_found_in_order_of_preference(tmp_path, table, content):
    write_image_folder(tmp_path, table, SPLITS)
    for name in ("train.csv", "icml_face_data.csv", "fer2013.csv.gz", "Dataset.csv"):
        (tmp_path / name).write_bytes(content)
    assert [source.name for source in sources.find_beside(tmp_path)] == [
        *("Dataset.csv", "fer2013.csv.gz", "icml_face_data.csv", "train.csv", "test/ and train/ and val/"),
    ]
