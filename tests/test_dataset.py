"""Reading FER2013: the parser against a slow one, every form it comes in, and every way it can be broken."""

import gzip
import lzma
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.data import csv_reader, fer2013, image_folder, image_io
from pipeline.data.fer2013 import EMOTIONS, PIXELS, Table


def obvious_pixels(text: bytes) -> list[int]:
    """What a pixel string says, read in the plainest way; ValueError where it says nothing sensible."""
    values = text.decode("ascii").split()
    if len(values) != PIXELS or not all(value.isdigit() and int(value) <= 255 for value in values):
        raise ValueError
    return [int(value) for value in values]


numbers = st.integers(0, 255).map(str) | st.sampled_from(
    ["0", "00", "007", "255", "256", "999", "1000", "-1", "+1"]
)
oddities = st.sampled_from(
    ["", " ", "  ", "\t", "x", "1.5", "1e2", "1_0", "٣", "nan", "0255", "\x00", "\x0b"]
)


edits = st.lists(st.tuples(st.integers(0, PIXELS - 1), numbers | oddities), max_size=3)
blanks = st.sampled_from([" ", " ", " ", "  ", "\t", " \t "])


def pixel_text(
    seed: int, replaced: list, left_out: bool, added: str, before: str, blank: str, after: str
) -> bytes:
    """A good pixel string, some of its fields replaced, left out or added, perhaps with other blanks."""
    values = [str(value) for value in np.random.default_rng(seed).integers(0, 256, PIXELS)]
    for place, value in replaced:
        values[place] = value
    return (before + blank.join(values[left_out:]) + added + after).encode()


ends = st.sampled_from(["", "", "", " "])
added = st.sampled_from(["", "", "", " 5", " x", "5"])
pixel_texts = st.builds(pixel_text, st.integers(0, 99), edits, st.booleans(), added, ends, blanks, ends)


def write_rows(
    path: Path, texts: list[bytes], order: str = "emotion,pixels,Usage", end: bytes = b"\n"
) -> Path:
    fields = {"emotion": b"3", "Usage": b"Training"}
    lines = [b",".join((fields | {"pixels": text})[name] for name in order.split(",")) for text in texts]
    path.write_bytes(end.join([order.encode(), *lines]) + end)
    return path


@settings(max_examples=300, deadline=None)
@given(st.lists(pixel_texts, min_size=1, max_size=4))
@example([b" ".join([b"7"] * PIXELS)])
@example([b" ".join([b"255", b"0"] * (PIXELS // 2))])
@example([b" ".join([b"1"] * (PIXELS - 1)), b" ".join([b"1"] * (PIXELS + 1))])
@example([b" ".join([b"1"] * (PIXELS - 2) + [b"x1", b"12345"])])
def test_reading_agrees_with_an_obvious_parser(texts: list[bytes]):
    with tempfile.TemporaryDirectory() as folder:
        path = write_rows(Path(folder) / "some.csv", texts)
        try:
            expected = [obvious_pixels(text) for text in texts]
        except (ValueError, UnicodeDecodeError):
            with pytest.raises(ValueError, match=r"some\.csv, row \d+, (pixels|columns): "):
                csv_reader.read_csv(path)
        else:
            assert csv_reader.read_csv(path)["pixels"].reshape(-1, PIXELS).tolist() == expected


@pytest.mark.parametrize("order", ["emotion,pixels,Usage", "emotion,Usage,pixels", "pixels,Usage,emotion"])
def test_well_formed_text_takes_the_fast_way(tmp_path, rng, monkeypatch, order):
    """All values from 0 to 255, and over several blocks."""
    monkeypatch.setattr(csv_reader, "_parse_line_by_line", None)
    pixels = rng.permutation(np.arange(400 * PIXELS) % 256).reshape(400, PIXELS)
    texts = [" ".join(map(str, row)).encode() for row in pixels]
    table = csv_reader.read_csv(write_rows(tmp_path / "some.csv", texts, order))
    assert np.array_equal(table["pixels"].reshape(-1, PIXELS), pixels)
    assert set(table["emotion"]) == {3} and set(table["Usage"]) == {"Training"}


@pytest.mark.parametrize(
    "wrong", ["256", "999", "300", "260", "1000", "0255", "", "x", "1x", "x1", "1x1", "-1", "1.5", "١"]
)
@pytest.mark.parametrize("place", [0, 1, PIXELS - 1])
def test_a_wrong_value_anywhere_never_takes_the_fast_way(rng, place, wrong):
    values = [str(value) for value in rng.integers(0, 256, PIXELS)]
    values[place] = wrong
    block = f"3,{' '.join(values)},Training\n".encode()
    assert csv_reader._parse_regular(block, {"emotion": 0, "pixels": 1, "Usage": 2}, width=3) is None


# --------------------------------------------------------------------------------------------------
# Forms
# --------------------------------------------------------------------------------------------------
def same(one: Table, other: Table) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in fer2013.COLUMNS)


@pytest.fixture
def csv_path(tmp_path, small_table) -> Path:
    path = tmp_path / "Dataset.csv"
    csv_reader.write_csv(small_table, path)
    return path


def test_csv_comes_back_as_written(csv_path, small_table):
    assert same(csv_reader.read_csv(csv_path), small_table)


@pytest.mark.parametrize("packer", ["gz", "xz", "zip"])
def test_packed_csv_is_the_same(csv_path, small_table, packer):
    packed = csv_path.with_name(f"Dataset.csv.{packer}")
    if packer == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(csv_path, "fer2013.csv")
    else:
        packed.write_bytes({"gz": gzip, "xz": lzma}[packer].compress(csv_path.read_bytes()))
    assert same(csv_reader.read_csv(packed), small_table)


def test_kaggles_spelling_and_order_of_columns(csv_path, small_table):
    rows = [line.split(",") for line in csv_path.read_text().splitlines()[1:]]
    lines = ["emotion, Usage, pixels", *(f"{emotion},{usage},{pixels}" for emotion, pixels, usage in rows)]
    csv_path.write_text("\n".join(lines))
    assert same(csv_reader.read_csv(csv_path), small_table)


def test_windows_line_ends_byte_order_mark_and_quotes(csv_path, small_table):
    header, *rows = csv_path.read_text().splitlines()
    quoted = [",".join(f'"{field}"' for field in row.split(",")) for row in rows]
    csv_path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([header, *quoted, "", ""]).encode())
    assert same(csv_reader.read_csv(csv_path), small_table)


def write_folder(
    root: Path, table: Table, names: dict[int, str], splits: dict[str, str], ending: str = "png"
) -> None:
    for row, (label, pixels, usage) in enumerate(
        zip(*(table[name] for name in fer2013.COLUMNS), strict=True)
    ):
        folder = root / splits[usage] / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{row:05}.{ending}")


def test_folder_with_three_splits_and_odd_names(tmp_path, small_table):
    names = dict(enumerate(["ANGRY", "disgusted", "Fearful", "happiness", "SADNESS", "surprised", "neutral"]))
    splits = {"Training": "TRAIN", "PublicTest": "validation", "PrivateTest": "Test"}
    write_folder(tmp_path / "images", small_table, names, splits)
    table, note = image_folder.read_image_folder(tmp_path, seed=0)
    assert note == ""
    key = lambda t: sorted(zip(t["Usage"], t["emotion"], [p.tobytes() for p in t["pixels"]], strict=True))  # noqa: E731
    assert key(table) == key(small_table)


def test_folder_without_validation_holds_out_a_stratified_tenth(tmp_path, small_table):
    splits = {"Training": "train", "PublicTest": "train", "PrivateTest": "test"}
    write_folder(tmp_path, small_table, dict(enumerate(EMOTIONS)), splits, "jpg")
    table, note = image_folder.read_image_folder(tmp_path, seed=3)
    again, _ = image_folder.read_image_folder(tmp_path, seed=3)
    other, _ = image_folder.read_image_folder(tmp_path, seed=4)
    counts = fer2013.count_faces(table["emotion"], table["Usage"])
    assert "27 faces" in note and "seed 3" in note
    assert counts.sum(axis=1).tolist() == [243, 27, 30]
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert abs(shares[1] - shares[0]).max() < 0.04
    assert same(table, again) and not same(table, other)


def test_a_picture_of_another_size_and_color_becomes_a_gray_face(tmp_path):
    Image.new("RGB", (200, 100), (255, 255, 255)).save(tmp_path / "white.jpg")
    face = image_io.read_face(tmp_path / "white.jpg")
    assert face.shape == (48, 48) and face.dtype == np.uint8 and face.min() > 250


def test_deep_grays_are_scaled_and_not_cut_off(tmp_path, small_table):
    face = small_table["pixels"][0]
    Image.fromarray(face.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(face.astype(np.float32) / 255).save(tmp_path / "float.tif")
    for name in ("deep.png", "float.tif"):
        read = image_io.read_face(tmp_path / name).astype(int)
        assert abs(read - face).max() <= 1, name


def test_a_photograph_taken_upright_is_read_upright(tmp_path, small_table):
    face = Image.fromarray(small_table["pixels"][0])
    turned = face.transpose(Image.Transpose.ROTATE_90)  # as the sensor of a phone held upright sees it
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "upright.png", exif=exif)
    assert np.array_equal(image_io.read_face(tmp_path / "upright.png"), np.asarray(face))


def test_what_macos_leaves_behind_is_passed_over(tmp_path, small_table):
    names, splits = (
        dict(enumerate(EMOTIONS)),
        dict(zip(fer2013.USAGES, ("train", "val", "test"), strict=True)),
    )
    write_folder(tmp_path, small_table, names, splits)
    (tmp_path / "__MACOSX" / "train" / "Fear").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "train" / "Fear" / "._1.png").write_text("litter")
    (tmp_path / "train" / "Fear" / "._1.png").write_text("litter")
    table, _ = image_folder.read_image_folder(tmp_path, seed=0)
    assert len(table["emotion"]) == 300


# --------------------------------------------------------------------------------------------------
# Bad data: a sentence with the row and the field, status 1, and nothing that was there is lost
# --------------------------------------------------------------------------------------------------
GOOD = " ".join(["128"] * PIXELS)


def changed(lines: list[str], row: int, place: int, value: str) -> list[str]:
    fields = lines[row].split(",")
    fields[place] = value
    return [*lines[:row], ",".join(fields), *lines[row + 1 :]]


BAD_CSV = {
    # what is wrong: (how a good file becomes it, what the message must say)
    "empty": (lambda lines: [], "is empty"),
    "header only": (lambda lines: lines[:1], "no rows"),
    "missing column": (lambda lines: ["emotion,pixels", *lines[1:]], "no column Usage"),
    "too few pixels": (lambda lines: changed(lines, 5, 1, GOOD[4:]), "row 5, pixels: 2,303 values"),
    "too many pixels": (lambda lines: changed(lines, 17, 1, GOOD + " 1"), "row 17, pixels: 2,305 values"),
    "no number": (lambda lines: changed(lines, 40, 1, "x" + GOOD), "row 40, pixels: value 1 is 'x128'"),
    "256": (
        lambda lines: changed(lines, 3, 1, "256" + GOOD[3:]),
        "row 3, pixels: value 1 is '256', above 255",
    ),
    "-1": (lambda lines: changed(lines, 1, 1, GOOD[:-3] + "-1"), "row 1, pixels: value 2304 is '-1'"),
    "emotion 7": (lambda lines: changed(lines, 9, 0, "7"), "row 9, emotion: '7' is not"),
    "unknown Usage": (
        lambda lines: changed(lines, 9, 2, "Test"),
        "row 9, Usage: 'Test' is not one of Training",
    ),
    "truncated last line": (lambda lines: [*lines[:-1], lines[-1][:500]], "row 300, columns: 2 fields"),
    "no PrivateTest": (
        lambda lines: [line for line in lines if "PrivateTest" not in line],
        "no row whose Usage is PrivateTest",
    ),
    "no Disgust": (lambda lines: [line for line in lines if not line.startswith("1,")], "no face of Disgust"),
}


def refused(project, *arguments) -> str:
    """Run step 2 on bad data over good data; check that the good is still there; return the message."""
    before = project.store().read("dataset")["pixels"].sum()
    printed = project.run("Load_dataSets.py", *arguments, status=1)
    assert "Traceback" not in printed, printed
    assert project.store().read("dataset")["pixels"].sum() == before
    return printed.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, small_table):
    from helpers import create_project

    project = create_project(tmp_path_factory.mktemp("loaded") / "project")
    project.run("Load_dataSets.py", "--sample-size", 300)
    return project


@pytest.mark.parametrize("wrong", BAD_CSV)
def test_bad_csv_gets_one_sentence(loaded, csv_path, wrong):
    spoil, expected = BAD_CSV[wrong]
    csv_path.write_text("\n".join(spoil(csv_path.read_text().splitlines())))
    message = refused(loaded, "--dataset", csv_path)
    assert expected in message and "Dataset.csv" in message


def test_other_bad_files_get_one_sentence(loaded, csv_path, tmp_path):
    good = csv_path.read_bytes()
    cases = {
        "missing.csv": (None, "is not there"),
        "binary.csv": (bytes(range(256)) * 40, "is not UTF-8 text"),
        "utf16.csv": (good.decode().encode("utf-16"), "is not UTF-8 text"),
        "latin1.csv": (good.replace(b"\n0,", b"\n\xff,", 1), "emotion: '\\\\xff' is not"),
        "cut.csv.gz": (gzip.compress(good)[:-2000], "cannot be unpacked to its end"),
        "one_line.csv": (b"emotion,pixels,Usage," + b"0 " * 200_000, "more than"),
    }
    for name, (content, expected) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        message = refused(loaded, "--dataset", path)
        assert expected in message and name in message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
def test_a_pipe_is_refused_and_not_waited_for(loaded, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "neither a file nor a folder" in refused(loaded, "--dataset", tmp_path / "pipe.csv")


def test_bad_folders_get_one_sentence(loaded, tmp_path, small_table):
    (tmp_path / "no pictures").mkdir()
    assert "holds no pictures" in refused(loaded, "--dataset", tmp_path / "no pictures")

    names, splits = (
        dict(enumerate(EMOTIONS)),
        dict(zip(fer2013.USAGES, ("train", "val", "test"), strict=True)),
    )
    write_folder(tmp_path / "faces", small_table, names, splits, "jpg")
    broken = next((tmp_path / "faces" / "train" / "Fear").glob("*.jpg"))
    broken.write_bytes(broken.read_bytes()[:200])
    message = refused(loaded, "--dataset", tmp_path / "faces")
    assert "cannot be read as a picture" in message and broken.name in message

    broken.unlink()
    (tmp_path / "faces" / "train" / "Fear").rename(tmp_path / "faces" / "train" / "Contempt")
    assert "none of Angry, Disgust" in refused(loaded, "--dataset", tmp_path / "faces")
