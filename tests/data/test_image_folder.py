"""Faces are read from folders with the usual names, in all common layouts."""

from pathlib import Path

import numpy as np
import pytest
from helpers import write_image_folder
from PIL import Image

from pipeline.data import image_folder
from pipeline.data.emotions import EmotionSelection
from pipeline.data.fer2013 import EMOTIONS, USAGES, Table
from pipeline.data.image_io import read_face

THREE_SPLITS = dict(zip(USAGES, ("train", "val", "test"), strict=True))


def sorted_rows(table: Table) -> list[tuple]:
    images = [pixels.tobytes() for pixels in table["pixels"]]
    return sorted(zip(table["Usage"].tolist(), table["emotion"].tolist(), images, strict=True))


def test_three_splits_with_other_common_names_are_read(tmp_path, small_table):
    emotions = ["ANGRY", "disgusted", "Fearful", "happiness", "SADNESS", "surprised", "neutral"]
    splits = {"Training": "TRAIN", "PublicTest": "validation", "PrivateTest": "Test"}
    write_image_folder(tmp_path / "images", small_table, splits, emotions)
    table, note = image_folder.read_image_folder(tmp_path)
    assert note == ""
    assert sorted_rows(table) == sorted_rows(small_table)
    for origin, pixels in zip(table["origin"][::60], table["pixels"][::60], strict=True):
        assert np.array_equal(read_face(tmp_path / origin).pixels, pixels)
    assert [USAGES.index(usage) for usage in table["Usage"]] == sorted(map(USAGES.index, table["Usage"]))


LAYOUTS = {
    # the path of an image, by its split, its emotion and its file name
    "splits inside emotions": "{emotion}/{split}/{file}",
    "folders between": "images/{split}/faces/{emotion}/subject/{file}",
    "numbered emotions": "{split}/{label}_{emotion}/{file}",
    "labels": "{split}/{label}/{file}",
    "a numbered subject": "{split}/{emotion}/3/{file}",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_are_read(tmp_path, small_table, layout):
    write_layout(tmp_path, small_table, LAYOUTS[layout])
    table, note = image_folder.read_image_folder(tmp_path)
    assert sorted_rows(table) == sorted_rows(small_table) and note == ""


@pytest.mark.parametrize("layout", ["{emotion}/{file}", "faces/{label}/{file}", "a/{emotion}/b/{file}"])
def test_folders_without_splits_give_a_table_without_usage(tmp_path, small_table, layout):
    write_layout(tmp_path, small_table, layout)
    table, _ = image_folder.read_image_folder(tmp_path)
    assert "Usage" not in table
    assert sorted_rows(table | {"Usage": np.repeat("", 300)}) == sorted_rows(
        small_table | {"Usage": np.repeat("", 300)}
    )


def test_images_outside_the_folders_of_the_splits_are_passed_over_with_a_note(tmp_path, small_table):
    write_image_folder(tmp_path, small_table, THREE_SPLITS)
    extra = tmp_path / "happy" / "extra.png"
    extra.parent.mkdir()
    Image.fromarray(small_table["pixels"][0]).save(extra)
    table, note = image_folder.read_image_folder(tmp_path)
    assert sorted_rows(table) == sorted_rows(small_table)
    assert note.startswith("1 images") and "extra.png" in note


def write_layout(root: Path, table: Table, layout: str) -> None:
    """Write a table as images whose paths have the form `layout`."""
    for row, (label, pixels, usage) in enumerate(
        zip(table["emotion"], table["pixels"], table["Usage"], strict=True)
    ):
        names = {"split": THREE_SPLITS[usage], "label": label, "emotion": EMOTIONS[label].lower()}
        path = root / layout.format(**names, file=f"{row:05}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def test_files_added_by_macos_are_ignored(tmp_path, small_table):
    write_image_folder(tmp_path, small_table, THREE_SPLITS)
    (tmp_path / "__MACOSX" / "train" / "Fear").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "train" / "Fear" / "._1.png").write_text("not an image")
    (tmp_path / "train" / "Fear" / "._1.png").write_text("not an image")
    table, _ = image_folder.read_image_folder(tmp_path)
    assert len(table["emotion"]) == len(small_table["emotion"])


def test_a_folder_without_images_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        image_folder.read_image_folder(tmp_path)


@pytest.mark.parametrize("n_bytes", [200, 700, -1])
def test_a_damaged_image_is_refused_by_name(tmp_path, small_table, n_bytes):
    write_image_folder(tmp_path, small_table, THREE_SPLITS, suffix="jpg")
    damaged = next((tmp_path / "train" / "Fear").glob("*.jpg"))
    damaged.write_bytes(damaged.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=damaged.name):
        image_folder.read_image_folder(tmp_path)


def test_an_unknown_emotion_is_refused_by_its_folder(tmp_path, small_table):
    write_image_folder(tmp_path, small_table, THREE_SPLITS, [*EMOTIONS[:-1], "Contempt"])
    with pytest.raises(ValueError, match=r"Contempt.*Angry, Disgust"):
        image_folder.read_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("folders", "chosen"),
    [
        (["angry", "disgust", "fear", "happy", "sad", "surprise", "contempt"], ("angry", "contempt")),
        (
            ["wut", "ekel", "angst", "Fröhlich", "traurig", "staunen", "neutral"],
            ("Wut", "Fröhlich", "Neutral"),
        ),
        (["0", "1", "2", "3", "4", "5", "6"], ("happy", "sad")),
        (["1_anger", "2_x", "3_x", "4_joy", "5_x", "6_x", "7_contempt"], ("contempt", "happy", "angry")),
    ],
)
@pytest.mark.parametrize("splits", [THREE_SPLITS, dict.fromkeys(THREE_SPLITS, ".")])
def test_chosen_emotions_are_read_and_others_come_after_them(tmp_path, small_table, folders, chosen, splits):
    write_image_folder(tmp_path, small_table, splits, folders)
    selection = EmotionSelection(chosen)
    table, _ = image_folder.read_image_folder(tmp_path, emotions=selection)
    counts = np.bincount(table["emotion"]).tolist()
    expected = np.bincount(small_table["emotion"])
    of_folder = {selection.find_label(folder): 0 for folder in folders}
    for folder, count in zip(folders, expected, strict=True):
        of_folder[selection.find_label(folder)] += count
    assert counts == [of_folder[label] for label in range(len(of_folder))]
    assert len(selection.drop_others(table)[0]["emotion"]) == sum(counts[: len(chosen)])


@pytest.mark.parametrize("splits", [THREE_SPLITS, dict.fromkeys(THREE_SPLITS, ".")])
@pytest.mark.parametrize("names", [["Contempt"], ["bored", "tired"], ["Verachtung"]])
def test_other_emotions_are_named_with_the_flag_that_reads_them(tmp_path, small_table, splits, names):
    write_image_folder(tmp_path, small_table, splits, [*EMOTIONS[: -len(names)], *names])
    flag = " ".join([*EMOTIONS[: -len(names)], *(name.capitalize() for name in names)])
    with pytest.raises(ValueError, match=f"--emotions {flag}$"):
        image_folder.read_image_folder(tmp_path)
