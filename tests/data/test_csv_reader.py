"""The CSV reader agrees with a plain parser, reads all forms of FER2013, and explains all that is invalid."""

import gzip
import lzma
import os
import re
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.data import csv_reader, csv_rows, fer2013
from pipeline.data.emotions import EmotionSelection
from pipeline.data.fer2013 import PIXELS, Table

REGULAR_PIXELS = " ".join(["128"] * PIXELS)


# --------------------------------------------------------------------------------------------------
# Parsing
# --------------------------------------------------------------------------------------------------
def parse_plainly(text: bytes) -> list[int]:
    """Return the gray levels of a row; raise ValueError if it is invalid."""
    values = text.decode("ascii").split()
    if len(values) != PIXELS or not all(re.fullmatch(r"[0-9]+(\.0*)?", value) for value in values):
        raise ValueError
    numbers = [int(value.partition(".")[0]) for value in values]
    if max(numbers) > 255:
        raise ValueError
    return numbers


def make_pixel_text(
    seed: int, replaced: list, drop_first: bool, added: str, before: str, separator: str, after: str
) -> bytes:
    """Make a valid pixel string with some values replaced, dropped or added, and perhaps other separators."""
    values = [str(value) for value in np.random.default_rng(seed).integers(0, 256, PIXELS)]
    for index, value in replaced:
        values[index] = value
    return (before + separator.join(values[drop_first:]) + added + after).encode()


numbers = st.integers(0, 255).map(str) | st.sampled_from(
    ["0", "00", "007", "255", "256", "999", "1000", "-1", "+1"]
)
irregular_values = st.sampled_from(
    ["", " ", "  ", "\t", "x", "1.5", "1e2", "1_0", "٣", "nan", "0255", "\x00", "\x0b"]
)
float_values = st.sampled_from(
    ["0.0", "7.", "255.0", "70.00", "256.0", ".0", "1.0.0", "1..0", "0.50", "1.0x"]
)
replacements = st.lists(
    st.tuples(st.integers(0, PIXELS - 1), numbers | irregular_values | float_values), max_size=3
)
separators = st.sampled_from([" ", " ", " ", "  ", "\t", " \t "])
additions = st.sampled_from(["", "", "", " 5", " x", "5"])
margins = st.sampled_from(["", "", "", " "])
pixel_texts = st.builds(
    make_pixel_text, st.integers(0, 99), replacements, st.booleans(), additions, margins, separators, margins
)


def write_rows(path: Path, pixel_texts: list[bytes], header: str = "emotion,pixels,Usage") -> Path:
    fields = {"emotion": b"3", "Usage": b"Training"}
    lines = [
        b",".join((fields | {"pixels": text})[name] for name in header.split(",")) for text in pixel_texts
    ]
    path.write_bytes(b"\n".join([header.encode(), *lines]) + b"\n")
    return path


@settings(max_examples=300, deadline=None)
@given(st.lists(pixel_texts, min_size=1, max_size=4))
@example([b" ".join([b"7"] * PIXELS)])
@example([b" ".join([b"255", b"0"] * (PIXELS // 2))])
@example([b" ".join([b"1"] * (PIXELS - 1)), b" ".join([b"1"] * (PIXELS + 1))])
@example([b" ".join([b"1"] * (PIXELS - 2) + [b"x1", b"12345"])])
@pytest.mark.slow
def test_the_reader_agrees_with_a_plain_parser(texts: list[bytes]):
    with tempfile.TemporaryDirectory() as folder:
        path = write_rows(Path(folder) / "rows.csv", texts)
        try:
            expected = [parse_plainly(text) for text in texts]
        except (ValueError, UnicodeDecodeError):
            with pytest.raises(ValueError, match=r"rows\.csv, row \d+, (pixels|columns): "):
                csv_reader.read_csv(path)
        else:
            assert csv_reader.read_csv(path)["pixels"].reshape(-1, PIXELS).tolist() == expected


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion,Usage,pixels", "pixels,Usage,emotion"])
def test_regular_rows_are_read_by_the_fast_parser(tmp_path, rng, monkeypatch, header):
    monkeypatch.setattr(csv_rows, "parse_lines", None)
    pixels = rng.permutation(np.arange(400 * PIXELS) % 256).reshape(400, PIXELS)  # several blocks
    texts = [" ".join(map(str, row)).encode() for row in pixels]
    table = csv_reader.read_csv(write_rows(tmp_path / "rows.csv", texts, header))
    assert np.array_equal(table["pixels"].reshape(-1, PIXELS), pixels)
    assert set(table["emotion"]) == {3} and set(table["Usage"]) == {"Training"}


@pytest.mark.parametrize("ending", [".0", ".", ".00"])
def test_whole_floats_are_read_by_the_fast_parser(tmp_path, rng, monkeypatch, ending):
    monkeypatch.setattr(csv_rows, "parse_lines", None)
    pixels = rng.integers(0, 256, (3, PIXELS))
    texts = [" ".join(f"{value}{ending}" for value in row).encode() for row in pixels]
    table = csv_reader.read_csv(write_rows(tmp_path / "rows.csv", texts))
    assert np.array_equal(table["pixels"].reshape(-1, PIXELS), pixels)


@pytest.mark.parametrize("value", ["1.0.0", "1..0", ".0", "0.5", "70.01", "256.0", "1.0e2", "-1.0", "x.0"])
def test_a_number_that_is_not_whole_is_refused_by_its_place(tmp_path, value):
    text = f"1.0 {value} " + " ".join(["128.0"] * (PIXELS - 2))
    with pytest.raises(ValueError, match=rf"row 1, pixels: value 2 is '{re.escape(value)}'"):
        csv_reader.read_csv(write_rows(tmp_path / "rows.csv", [text.encode()]))


@pytest.mark.parametrize(
    "value", ["256", "999", "300", "260", "1000", "0255", "", "x", "1x", "x1", "1x1", "-1", "1.5", "١"]
)
@pytest.mark.parametrize("index", [0, 1, PIXELS - 1])
def test_the_fast_parser_rejects_an_irregular_value_at_any_place(rng, index, value):
    values = [str(value) for value in rng.integers(0, 256, PIXELS)]
    values[index] = value
    block = f"3,{' '.join(values)},Training\n".encode()
    layout = csv_rows.CsvLayout({"emotion": 0, "pixels": 1, "Usage": 2}, n_fields=3)
    assert csv_rows.parse_regular_block(block, layout) is None


# --------------------------------------------------------------------------------------------------
# Forms of the file
# --------------------------------------------------------------------------------------------------
compress_gz = partial(gzip.compress, compresslevel=1)
compress_xz = partial(lzma.compress, preset=0)


def tables_equal(first: Table, second: Table) -> bool:
    return all(np.array_equal(first[name], second[name]) for name in fer2013.COLUMNS)


@pytest.fixture
def csv_path(tmp_path, small_table) -> Path:
    path = tmp_path / "Dataset.csv"
    csv_reader.write_csv(small_table, path)
    return path


def test_a_table_survives_writing_and_reading(csv_path, small_table):
    table = csv_reader.read_csv(csv_path)
    assert tables_equal(table, small_table)
    assert table["emotion"].dtype == np.uint8 and table["pixels"].dtype == np.uint8


@pytest.mark.parametrize("suffix", ["gz", "xz", "zip"])
def test_a_compressed_csv_is_read(csv_path, small_table, suffix):
    compressed = csv_path.with_name(f"Dataset.csv.{suffix}")
    if suffix == "zip":
        with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(csv_path, "fer2013.csv")
            archive.writestr("__MACOSX/._fer2013.csv", "added by macOS")
    else:
        compress = {"gz": compress_gz, "xz": compress_xz}[suffix]
        compressed.write_bytes(compress(csv_path.read_bytes()))
    assert tables_equal(csv_reader.read_csv(compressed), small_table)


def test_kaggles_spelling_and_order_of_columns_are_read(csv_path, small_table):
    rows = [line.split(",") for line in csv_path.read_text().splitlines()[1:]]
    lines = ["emotion, Usage, pixels", *(f"{emotion},{usage},{pixels}" for emotion, pixels, usage in rows)]
    csv_path.write_text("\n".join(lines))
    assert tables_equal(csv_reader.read_csv(csv_path), small_table)


def test_windows_line_breaks_byte_order_mark_and_quotes_are_read(csv_path, small_table):
    header, *rows = csv_path.read_text().splitlines()
    quoted = [",".join(f'"{field}"' for field in row.split(",")) for row in rows]
    csv_path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([header, *quoted, "", ""]).encode())
    assert tables_equal(csv_reader.read_csv(csv_path), small_table)


@pytest.mark.parametrize("separator", [";", "\t", "; ", ", "])
@pytest.mark.parametrize("quote", ["", '"'])
def test_other_separators_are_read(csv_path, small_table, separator, quote):
    rows = [line.split(",") for line in csv_path.read_text().splitlines()[:20]]
    csv_path.write_text("\n".join(separator.join(f"{quote}{field}{quote}" for field in row) for row in rows))
    table = csv_reader.read_csv(csv_path)
    assert tables_equal(table, {name: column[:19] for name, column in small_table.items()})


@pytest.mark.parametrize(
    "names",
    [
        ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"],
        ["ANGER", "disgusted", " fearful", "Happiness", "sadness ", "surprised", "neutrality"],
        ["0_angry", "1-disgust", "2. fear", "3_happy", "4 sad", "5surprise", "6 - Neutral"],
        ["0.0", "1.0", "2.0", "3.0", "4.0", "5.0", "6."],
    ],
)
@pytest.mark.parametrize(
    "usages",
    [
        ["train", "val", "test"],
        ["TRAINING", "Validation", "Testing"],
        ["Train", "public_test", "Private Test"],
        ["training", "dev", "test"],
    ],
)
def test_names_of_emotions_and_splits_are_read_as_values(tmp_path, names, usages):
    lines = [f"{name},{REGULAR_PIXELS},{usage}\n" for usage in usages for name in names]
    (tmp_path / "rows.csv").write_text("emotion,pixels,Usage\n" + "".join(lines))
    table = csv_reader.read_csv(tmp_path / "rows.csv")
    assert table["emotion"].tolist() == [*range(7)] * 3
    assert table["Usage"].tolist() == [usage for usage in fer2013.USAGES for _ in names]


@pytest.mark.parametrize("value", ["-1", "+1", "7", "00", "1.5", "10", "contempt", "hap", "3happy3", "", "٣"])
def test_a_value_that_is_no_emotion_is_refused(tmp_path, value):
    (tmp_path / "rows.csv").write_text(f"emotion,pixels,Usage\n{value},{REGULAR_PIXELS},Training\n")
    with pytest.raises(ValueError, match="row 1, emotion"):
        csv_reader.read_csv(tmp_path / "rows.csv")


@pytest.mark.parametrize("header", ["label,pixels,split", "Emotion,Pixels,USAGE", " labels , pixel , Split "])
def test_other_names_of_columns_are_read(tmp_path, header):
    (tmp_path / "rows.csv").write_text(f"{header}\n3,{REGULAR_PIXELS},test\n")
    table = csv_reader.read_csv(tmp_path / "rows.csv")
    assert table["emotion"].tolist() == [3] and table["Usage"].tolist() == ["PrivateTest"]


def test_a_csv_without_usage_gives_a_table_without_it(csv_path, small_table):
    rows = [line.rsplit(",", 1)[0] for line in csv_path.read_text().splitlines()]
    csv_path.write_text("\n".join(rows))
    table = csv_reader.read_csv(csv_path)
    assert list(table) == ["emotion", "pixels"]
    assert np.array_equal(table["pixels"], small_table["pixels"])


@pytest.mark.parametrize("form", ["[{}]", "{}"])
def test_pixels_written_as_a_list_are_read(tmp_path, rng, form):
    pixels = rng.integers(0, 256, PIXELS)
    text = form.format(", ".join(map(str, pixels)))
    (tmp_path / "rows.csv").write_text(f'emotion,pixels,Usage\n3,"{text}",Training\n')
    assert np.array_equal(csv_reader.read_csv(tmp_path / "rows.csv")["pixels"].ravel(), pixels)


def test_only_the_named_columns_are_read(csv_path, small_table):
    csv_path.write_text(csv_path.read_text().replace("Training", "unknown"))
    table = csv_reader.read_csv(csv_path, columns=("pixels",))
    assert list(table) == ["pixels"] and np.array_equal(table["pixels"], small_table["pixels"])


# --------------------------------------------------------------------------------------------------
# Invalid files
# --------------------------------------------------------------------------------------------------
def with_field(lines: list[str], row: int, index: int, value: str) -> list[str]:
    """Replace a field of a row."""
    fields = lines[row].split(",")
    fields[index] = value
    return [*lines[:row], ",".join(fields), *lines[row + 1 :]]


INVALID_LINES = {
    # how a valid file becomes invalid, and facts that the message must have
    "empty": (lambda lines: [], ["empty"]),
    "header only": (lambda lines: lines[:1], ["no rows"]),
    "missing column": (lambda lines: ["pixels,Usage", *lines[1:]], ["emotion", "pixels,Usage"]),
    "too few pixels": (
        lambda lines: with_field(lines, 5, 1, REGULAR_PIXELS[4:]),
        ["row 5, pixels", "2,303"],
    ),
    "too many pixels": (
        lambda lines: with_field(lines, 17, 1, REGULAR_PIXELS + " 1"),
        ["row 17, pixels", "2,305"],
    ),
    "no number": (
        lambda lines: with_field(lines, 40, 1, "x" + REGULAR_PIXELS),
        ["row 40, pixels", "value 1", "'x128'"],
    ),
    "256": (
        lambda lines: with_field(lines, 3, 1, "256" + REGULAR_PIXELS[3:]),
        ["row 3, pixels", "value 1", "'256'", "255"],
    ),
    "-1": (
        lambda lines: with_field(lines, 1, 1, REGULAR_PIXELS[:-3] + "-1"),
        ["row 1, pixels", "value 2304", "'-1'"],
    ),
    "emotion 7": (lambda lines: with_field(lines, 9, 0, "7"), ["row 9, emotion", "'7'", "0 to 6"]),
    "unknown Usage": (
        lambda lines: with_field(lines, 9, 2, "Holdout"),
        ["row 9, Usage", "'Holdout'", "Training, PublicTest, PrivateTest"],
    ),
    "row after a blank line": (
        lambda lines: [*lines[:3], "", *with_field(lines, 3, 0, "7")[3:]],
        ["row 4, emotion"],
    ),
    "truncated last line": (
        lambda lines: [*lines[:-1], lines[-1][:500]],
        ["row 300, columns", "2 fields", "3"],
    ),
}


@pytest.mark.parametrize("case", INVALID_LINES)
def test_an_invalid_line_is_refused_with_file_row_and_field(csv_path, case):
    edit, facts = INVALID_LINES[case]
    csv_path.write_text("\n".join(edit(csv_path.read_text().splitlines())))
    with pytest.raises(ValueError) as refused:
        csv_reader.read_csv(csv_path)
    for fact in ("Dataset.csv", *facts):
        assert fact in str(refused.value)


def test_an_invalid_row_in_a_later_block_is_numbered_from_the_start(csv_path):
    lines = csv_path.read_text().splitlines()
    csv_path.write_text("\n".join(with_field(lines, 290, 0, "x")))
    with pytest.raises(ValueError, match="row 290, emotion"):
        csv_reader.read_csv(csv_path)


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion,Usage,pixels", "pixels,Usage,emotion"])
@pytest.mark.parametrize(
    "added",
    [
        *(
            b"garbage",
            b"3",
            b"3,",
            b"Training",
            b"Training,3",
            b"\x00",
            b'"',
            b"1 2 3",
            b"-",
            b"3,1 2 3,Training",
        ),
        *(b",", b"x\n", b"\n\n0", REGULAR_PIXELS.encode()),
    ],
)
def test_bytes_after_the_last_row_are_refused(tmp_path, header, added):
    path = write_rows(tmp_path / "rows.csv", [REGULAR_PIXELS.encode()] * 3, header)
    path.write_bytes(path.read_bytes() + added)
    with pytest.raises(ValueError, match=r"rows\.csv, row \d, "):
        csv_reader.read_csv(path)


def test_a_file_cut_anywhere_within_its_last_row_is_refused(tmp_path):
    path = write_rows(tmp_path / "rows.csv", [REGULAR_PIXELS.encode()] * 3)
    content = path.read_bytes()
    last_row = content.rindex(b"\n", 0, -1) + 1
    for end in [
        *range(last_row + 1, last_row + 9),
        *range(last_row + 9, len(content) - 1, 397),
        len(content) - 2,
    ]:
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"rows\.csv, row 3, "):
            csv_reader.read_csv(path)


@pytest.mark.parametrize(
    "name",
    ['"note, by hand"', '"a ""quoted"", name"', '"x,y,z"', '"with, semicolon; and pixels"', ' "a, b"'],
)
@pytest.mark.parametrize("value", ["", "7", '"a, b"', '"say ""no"", twice"'])
def test_a_comma_in_a_quoted_column_name_is_no_separator(tmp_path, name, value):
    rows = [f"3,{REGULAR_PIXELS},{value},Training"] * 2
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([f"emotion,pixels,{name},Usage", *rows]))
    table = csv_reader.read_csv(path)
    assert table["emotion"].tolist() == [3, 3] and set(table["Usage"]) == {"Training"}


@pytest.mark.parametrize(
    ("header", "fact"),
    [
        ('emotion,"pixels,Usage', "first line"),
        ("emotion,pixels,Usage,Usage", "two columns Usage"),
        ('emotion,"pixels,Usage"', "no column pixels"),
    ],
)
def test_an_ambiguous_header_is_refused(tmp_path, header, fact):
    (tmp_path / "rows.csv").write_text(f"{header}\n3,{REGULAR_PIXELS},Training\n")
    with pytest.raises(ValueError, match=fact):
        csv_reader.read_csv(tmp_path / "rows.csv")


@pytest.mark.parametrize("value", ['"1"2', '"1', "1\r2", '"1" 2'])
def test_a_misplaced_quote_or_line_break_is_refused(tmp_path, value):
    text = REGULAR_PIXELS[: -len("128")] + value
    with pytest.raises(ValueError, match=r"rows\.csv, row 1"):
        csv_reader.read_csv(write_rows(tmp_path / "rows.csv", [text.encode()]))


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \n", b"\t\t\n"])
@pytest.mark.parametrize("header", [b"", b"emotion,pixels,Usage\n"])
def test_a_file_of_blank_lines_is_refused_without_reading_all_of_it(tmp_path, header, blank):
    path = tmp_path / "blank.csv.gz"
    path.write_bytes(compress_gz(header + blank * (20_000_000 // len(blank))))
    with pytest.raises(ValueError, match=r"blank\.csv\.gz.*(blank lines|empty)"):
        csv_reader.read_csv(path)


def test_more_rows_than_memory_may_hold_are_refused(csv_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "MAX_ROWS", 250)
    with pytest.raises(ValueError, match="more than 250 rows"):
        csv_reader.read_csv(csv_path)


def encrypt(archive: bytes) -> bytes:
    """Set the flags by which a zip archive declares its first member encrypted."""
    edited = bytearray(archive)
    edited[6] |= 1
    edited[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(edited)


def with_unknown_compression(archive: bytes) -> bytes:
    edited = bytearray(archive)
    edited[8] = edited[archive.index(b"PK\x01\x02") + 10] = 99
    return bytes(edited)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has named pipes")
@pytest.mark.parametrize("name", ["pipe.csv", "pipe.csv.gz", "pipe.zip"])
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} is not a file"):
        csv_reader.read_csv(tmp_path / name)


def zip_of(*names: str) -> bytes:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, "emotion,pixels,Usage\n")
        file.seek(0)
        return file.read()


@pytest.mark.parametrize(
    ("name", "edit", "fact"),
    [
        ("binary.csv", lambda content: bytes(range(256)) * 40, "UTF-8"),
        ("utf16.csv", lambda content: content.decode().encode("utf-16"), "UTF-8"),
        ("latin1.csv", lambda content: content.replace(b"\n0,", b"\n\xff,", 1), "emotion: '\\\\xff'"),
        ("truncated.csv.gz", lambda content: compress_gz(content)[:-2000], "truncated"),
        ("truncated.csv.xz", lambda content: compress_xz(content)[:-2000], "truncated"),
        ("one_line.csv", lambda content: b"emotion,pixels,Usage," + b"0 " * 200_000, "131,072"),
        ("two.zip", lambda content: zip_of("first.csv", "second.csv"), "first.csv, second.csv"),
        ("none.zip", lambda content: zip_of("readme.txt"), "CSV"),
        ("encrypted.zip", lambda content: encrypt(zip_of("fer2013.csv")), "encrypted"),
        ("method.zip", lambda content: with_unknown_compression(zip_of("fer2013.csv")), "compression"),
    ],
)
def test_another_kind_of_file_is_refused_by_name(csv_path, name, edit, fact):
    path = csv_path.with_name(name)
    path.write_bytes(edit(csv_path.read_bytes()))
    with pytest.raises(ValueError) as refused:
        csv_reader.read_csv(path)
    assert name in str(refused.value) and fact in str(refused.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.csv"):
        csv_reader.read_csv(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("names", "values", "labels"),
    [
        (("happy", "contempt"), ["Contempt", "happiness", "3", "disgust", "2"], [1, 0, 0, 2, 3]),
        (("Wut", "Neutral"), ["wut", "6", "neutrality", "Freude", "WUT"], [0, 1, 1, 2, 0]),
        (("sad", "angry", "fear"), ["0", "1", "2", "3", "4"], [1, 3, 2, 4, 0]),
    ],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_emotions_are_chosen_and_the_others_follow_them(tmp_path, names, values, labels, quote):
    """In both parsers: quotes are for the plain one."""
    lines = [f"{quote}{value}{quote},{REGULAR_PIXELS},Training\n" for value in values]
    (tmp_path / "rows.csv").write_text("emotion,pixels,Usage\n" + "".join(lines))
    table = csv_reader.read_csv(tmp_path / "rows.csv", emotions=EmotionSelection(names))
    assert table["emotion"].tolist() == labels


@pytest.mark.parametrize("value", ["7", "", "10"])
def test_a_number_that_fer2013_lacks_is_refused_also_with_chosen_emotions(tmp_path, value):
    (tmp_path / "rows.csv").write_text(f"emotion,pixels,Usage\n{value},{REGULAR_PIXELS},Training\n")
    with pytest.raises(ValueError, match=r"row 1, emotion.*from 0 to 6"):
        csv_reader.read_csv(tmp_path / "rows.csv", emotions=EmotionSelection(("happy", "contempt")))
