"""Check step 11's choice of pairs and faces."""

import importlib

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.evaluation.metrics import Predictions, confusion_shares
from pipeline.figures.palette import relative_luminance

Confusion_Matrix = importlib.import_module("Confusion_Matrix")


def test_pairs_are_sorted_by_their_errors_and_none_is_without():
    counts = np.diag(np.full(7, 100))
    counts[2, 4], counts[4, 2], counts[0, 6] = 9, 5, 7
    assert Confusion_Matrix.find_confused_pairs(counts, 2) == [(2, 4), (0, 6)]
    assert Confusion_Matrix.find_confused_pairs(counts, 10) == [(2, 4), (0, 6), (4, 2)]
    assert Confusion_Matrix.find_confused_pairs(np.diag(np.ones(7, int)), 3) == []


def test_the_most_confident_errors_come_first():
    probabilities = np.zeros((5, 7))
    probabilities[range(5), (1, 1, 0, 1, 1)] = (0.5, 0.9, 0.8, 0.7, 0.6)
    predictions = Predictions(np.array([0, 0, 0, 0, 2]), probabilities)
    assert Confusion_Matrix.select_confident_errors(predictions, 0, 1, 2).tolist() == [1, 3]
    assert Confusion_Matrix.select_confident_errors(predictions, 0, 1, 9).tolist() == [1, 3, 0]


def test_numbers_contrast_with_their_cells():
    shares = np.linspace(0, 1, 49).reshape(7, 7)
    figure = Confusion_Matrix.plot_matrices((100 * shares).astype(int), shares, EMOTIONS)
    for axes in figure.axes:
        colors = [text.get_color() for text in axes.texts]
        assert colors == sorted(colors), "black on the bright cells, white on the dark ones"
        for text, rgba in zip(axes.texts, axes.collections[0].get_facecolors(), strict=True):
            luminance = relative_luminance(tuple((255 * rgba[:3]).round().astype(int).tolist()))
            assert (text.get_color() == "white") == (1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05)


def test_a_pair_says_its_count_and_share_once_and_each_face_its_confidence():
    labels, predicted = np.array([2, 2, 2, 3]), np.array([4, 4, 2, 3])
    predictions = Predictions(labels, np.eye(7)[predicted] * 0.93 + 0.01)
    shares = confusion_shares(predictions)
    figure = Confusion_Matrix.plot_pairs(
        [(2, 4)], shares, np.zeros((4, 48, 48, 1), np.float32), predictions, 3
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["Fear\npredicted as\nSad", "2 faces,\n66.7% of Fear"]
    assert [axes.get_title() for axes in figure.axes] == ["94%", "94%", ""]


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--pairs", "--faces"])
def test_a_number_out_of_range_is_named(project, flag):
    printed = project.run("Confusion_Matrix.py", flag, 0, status=1)
    assert flag.strip("-") in printed and "0" in printed
