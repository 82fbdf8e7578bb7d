"""Check step 11's choice of pairs and faces."""

import importlib

import numpy as np
import pytest

from pipeline.evaluation.metrics import Predictions

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


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--pairs", "--faces"])
def test_a_number_out_of_range_is_named(project, flag):
    printed = project.run("Confusion_Matrix.py", flag, 0, status=1)
    assert flag.strip("-") in printed and "0" in printed
