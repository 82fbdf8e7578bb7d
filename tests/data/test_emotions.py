"""The emotions of a data set are chosen by name, the others are left out and counted."""

import numpy as np
import pytest

from pipeline.data.emotions import MAX_EMOTIONS, EmotionSelection
from pipeline.data.fer2013 import EMOTIONS

FIVE = ("angry", "HAPPY", "sadness", "Surprised", "neutral")
GERMAN = ("Wut", "Ekel", "Angst", "fröhlich", "traurig", "Überraschung", "neutral")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), EMOTIONS),
        (FIVE, ("Angry", "Happy", "Sad", "Surprise", "Neutral")),
        ((*EMOTIONS, "contempt"), (*EMOTIONS, "Contempt")),
        (GERMAN, ("Wut", "Ekel", "Angst", "Fröhlich", "Traurig", "Überraschung", "Neutral")),
        (("fu\u0308rchterlich", "ok"), ("Fürchterlich", "Ok")),
    ],
)
def test_names_are_spelled_as_in_fer2013(names, expected):
    assert EmotionSelection(names).names == expected


@pytest.mark.parametrize(
    "names",
    [
        ("angry",),
        ("angry", "happy", "anger"),
        ("Wut", "Freude", "wut"),
        ("contempt", "Contemptuous"),
        tuple(f"emotion{'abcdefghijklmnopq'[i]}" for i in range(MAX_EMOTIONS + 1)),
    ],
)
def test_one_emotion_repeated_ones_and_too_many_are_refused(names):
    with pytest.raises(ValueError, match="emotions has"):
        EmotionSelection(names)


@pytest.mark.parametrize(
    ("text", "label"),
    [("happy", 1), ("Joy", 1), ("3_happy", 1), ("3", 1), ("0", 0), ("verachtung", 2), ("7_Verachtung", 2)],
)
def test_names_are_found_in_all_spellings_and_numbers_are_those_of_fer2013(text, label):
    assert EmotionSelection(("angry", "happy", "Verachtung")).find_label(text) == label


@pytest.mark.parametrize("text", ["7", "-1", "", "3.5", "?"])
def test_what_is_no_emotion_has_no_label_even_if_others_are_left_out(text):
    assert EmotionSelection(FIVE).find_label(text) is None and EmotionSelection().find_label(text) is None


def test_others_are_left_out_and_counted_by_name():
    selection = EmotionSelection(("happy", "sad"))
    texts = ["3", "disgust", "Happy", "bored", "sad", "1", "disgusted"]
    labels = np.array([selection.find_label(text) for text in texts], np.uint8)
    kept, note = selection.drop_others({"emotion": labels, "row": np.arange(7)})
    assert kept["emotion"].tolist() == [0, 0, 1] and kept["row"].tolist() == [0, 2, 4]
    assert "4 faces" in note and "Disgust 3, Bored 1" in note


def test_a_data_set_without_any_of_the_emotions_is_refused():
    selection = EmotionSelection(("Wut", "Freude"))
    labels = np.array([selection.find_label(text) for text in "0123"], np.uint8)
    with pytest.raises(ValueError, match=r"Wut or Freude.*Angry.*0 Angry"):
        selection.drop_others({"emotion": labels})


def test_by_default_nothing_is_left_out():
    selection = EmotionSelection()
    assert selection.find_label("contempt") is None and not selection.others
    table = {"emotion": np.arange(7, dtype=np.uint8)}
    assert selection.drop_others(table) == (table, "")
