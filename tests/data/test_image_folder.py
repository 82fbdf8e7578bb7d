"""FER2013 is read from folders with the usual names; validation faces are held out where there are none."""

import numpy as np
import pytest
from helpers import write_image_folder

from pipeline.data import fer2013, image_folder
from pipeline.data.fer2013 import EMOTIONS, USAGES, Table

THREE_SPLITS = dict(zip(USAGES, ("train", "val", "test"), strict=True))


def sorted_rows(table: Table) -> list[tuple]:
    images = [pixels.tobytes() for pixels in table["pixels"]]
    return sorted(zip(table["Usage"].tolist(), table["emotion"].tolist(), images, strict=True))


def tables_equal(first: Table, second: Table) -> bool:
    return all(np.array_equal(first[name], second[name]) for name in fer2013.COLUMNS)


def test_three_splits_with_other_common_names_are_read(tmp_path, small_table):
    emotions = ["ANGRY", "disgusted", "Fearful", "happiness", "SADNESS", "surprised", "neutral"]
    splits = {"Training": "TRAIN", "PublicTest": "validation", "PrivateTest": "Test"}
    write_image_folder(tmp_path / "images", small_table, splits, emotions)
    table, note = image_folder.read_image_folder(tmp_path, seed=0)
    assert note == ""
    assert sorted_rows(table) == sorted_rows(small_table)
    assert [USAGES.index(usage) for usage in table["Usage"]] == sorted(map(USAGES.index, table["Usage"]))


@pytest.mark.slow
def test_a_stratified_tenth_is_held_out_if_there_is_no_validation_folder(tmp_path, small_table):
    splits = {"Training": "train", "PublicTest": "train", "PrivateTest": "test"}
    write_image_folder(tmp_path, small_table, splits, suffix="jpg")
    table, note = image_folder.read_image_folder(tmp_path, seed=3)
    same, _ = image_folder.read_image_folder(tmp_path, seed=3)
    other, _ = image_folder.read_image_folder(tmp_path, seed=4)
    assert "27 faces" in note and "seed 3" in note
    counts = fer2013.count_faces(table["emotion"], table["Usage"])
    assert counts.sum(axis=1).tolist() == [243, 27, 30]
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert abs(shares[1] - shares[0]).max() < 0.04
    assert tables_equal(table, same) and not tables_equal(table, other)


def test_files_added_by_macos_are_ignored(tmp_path, small_table):
    write_image_folder(tmp_path, small_table, THREE_SPLITS)
    (tmp_path / "__MACOSX" / "train" / "Fear").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "train" / "Fear" / "._1.png").write_text("not an image")
    (tmp_path / "train" / "Fear" / "._1.png").write_text("not an image")
    table, _ = image_folder.read_image_folder(tmp_path, seed=0)
    assert len(table["emotion"]) == len(small_table["emotion"])


def test_a_folder_without_images_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        image_folder.read_image_folder(tmp_path, seed=0)


def test_a_damaged_image_is_refused_by_name(tmp_path, small_table):
    write_image_folder(tmp_path, small_table, THREE_SPLITS, suffix="jpg")
    damaged = next((tmp_path / "train" / "Fear").glob("*.jpg"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(ValueError, match=damaged.name):
        image_folder.read_image_folder(tmp_path, seed=0)


def test_an_unknown_emotion_is_refused_by_its_folder(tmp_path, small_table):
    write_image_folder(tmp_path, small_table, THREE_SPLITS, [*EMOTIONS[:-1], "Contempt"])
    with pytest.raises(ValueError, match=r"Contempt.*Angry, Disgust"):
        image_folder.read_image_folder(tmp_path, seed=0)
