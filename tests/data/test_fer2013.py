"""A table without faces in a split, or without an emotion in one, is refused; a data set is named as what it is."""

import numpy as np
import pytest

from pipeline.data.fer2013 import (
    EMOTIONS,
    OFFICIAL_COUNTS,
    USAGES,
    count_faces,
    is_fer2013,
    name_data_set,
    validate_table,
)


def make_table(labels_by_usage):
    emotion = np.concatenate([np.array(labels, np.uint8) for labels in labels_by_usage.values()])
    usage = np.repeat(list(labels_by_usage), [len(labels) for labels in labels_by_usage.values()])
    return {"emotion": emotion, "pixels": np.zeros((len(emotion), 48, 48), np.uint8), "Usage": usage}


def test_faces_are_counted_per_split_and_emotion():
    table = make_table({"PrivateTest": [6, 6], "Training": [0, 0, 3]})
    assert count_faces(table["emotion"], table["Usage"]).tolist() == [
        [2, 0, 0, 1, 0, 0, 0],
        [0] * 7,
        [0, 0, 0, 0, 0, 0, 2],
    ]


def test_a_table_with_all_emotions_in_all_splits_is_valid():
    validate_table(make_table(dict.fromkeys(USAGES, range(7))), "the data set")


@pytest.mark.parametrize("usage", USAGES)
def test_an_empty_split_is_refused_by_name(usage):
    splits = {name: range(7) for name in USAGES if name != usage}
    with pytest.raises(ValueError, match=rf"the data set.*{usage}"):
        validate_table(make_table(splits), "the data set")


@pytest.mark.parametrize("label", range(7))
def test_a_missing_emotion_is_refused_by_name_and_split(label):
    labels = [other for other in range(7) if other != label]
    with pytest.raises(ValueError, match=rf"{EMOTIONS[label]}.*PublicTest"):
        validate_table(make_table(dict.fromkeys(USAGES, range(7)) | {"PublicTest": labels}), "the data set")


@pytest.mark.parametrize(
    ("usages", "name"),
    [
        (USAGES, "FER2013 (faces.csv, 35,887 faces)"),
        (USAGES[:2], "FER2013's Training and PublicTest rows (faces.csv, 32,298 faces)"),
        (USAGES[:1], "FER2013's Training rows (faces.csv, 28,709 faces)"),
        (USAGES[1:], "faces.csv (7,178 faces)"),
    ],
)
def test_a_data_set_is_called_fer2013_if_it_has_as_many_faces_of_each_emotion(usages, name):
    counts = np.sum([OFFICIAL_COUNTS[usage] for usage in usages], axis=0)
    assert name_data_set(np.repeat(np.arange(7), counts), "faces.csv") == name
    assert is_fer2013(name) == (usages != USAGES[1:])


@pytest.mark.parametrize("origin", ["fer2013.csv", "FER2013", "FER2013 (1).csv", "train/ and test/"])
@pytest.mark.parametrize("n_faces", [7, 7000])
def test_a_data_set_is_not_fer2013_by_its_file_name(origin, n_faces):
    assert not is_fer2013(name_data_set(np.arange(n_faces) % 7, origin))
    assert not is_fer2013("SYNTHETIC SAMPLE, NOT FER2013 (300 synthetic faces)")


def test_a_data_set_of_as_many_faces_but_of_other_emotions_is_not_called_fer2013():
    counts = np.sum(list(OFFICIAL_COUNTS.values()), axis=0)[::-1]
    assert name_data_set(np.repeat(np.arange(7), counts), "faces.csv") == "faces.csv (35,887 faces)"
