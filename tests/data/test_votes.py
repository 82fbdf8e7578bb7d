"""FER+'s votes: read for the right rows, refused for others, and turned into distributions and majorities."""

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.votes import HEADER, NO_MAJORITY, check_voted, majority, read_votes, vote_distribution

USAGE = np.array(["Training", "PublicTest", "PrivateTest"])
ROWS = [
    ["Training", "fer0000000.png", "4", "0", "0", "1", "3", "2", "0", "0", "0", "0"],
    ["PublicTest", "", "0", "0", "0", "0", "0", "0", "0", "0", "0", "10"],
    ["PrivateTest", "fer0000002.png", "0", "5", "5", "0", "0", "0", "0", "0", "0", "0"],
]


def write(path, rows, header=HEADER):
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    return path


def changed(row, column, value):
    rows = [list(fields) for fields in ROWS]
    rows[row][column] = value
    return rows


def test_votes_are_read_in_the_order_of_the_rows_and_a_removed_image_has_none(tmp_path):
    votes = read_votes(write(tmp_path / "votes.csv", ROWS), USAGE)
    assert votes.dtype == np.uint8
    assert votes.tolist() == [[4, 0, 0, 1, 3, 2, 0, 0, 0, 0], [0] * 10, [0, 5, 5, 0, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("rows", "facts"),
    [
        (ROWS[:2], ("2 rows", "3")),
        (changed(1, 0, "Training"), ("row 2", "Usage")),
        (changed(0, 2, "11"), ("row 1", "neutral", "'11'")),
        (changed(2, 11, "-1"), ("row 3", "NF", "'-1'")),
        (changed(2, 3, "²"), ("row 3", "happiness")),
        (changed(0, 4, ""), ("row 1", "surprise")),
        ([ROWS[0][:-1], *ROWS[1:]], ("row 1", "11 fields")),
    ],
)
def test_a_file_of_other_rows_or_values_is_refused_naming_the_row(tmp_path, rows, facts):
    with pytest.raises(ValueError) as refused:
        read_votes(write(tmp_path / "votes.csv", rows), USAGE)
    assert all(fact in str(refused.value) for fact in ("votes.csv", *facts))


@pytest.mark.parametrize("content", [b"", b"emotion,pixels,Usage\n", b"\xff\xfe\x00", b"Usage\0,\n"])
def test_another_kind_of_file_is_refused(tmp_path, content):
    (tmp_path / "votes.csv").write_bytes(content)
    with pytest.raises(ValueError, match="votes"):
        read_votes(tmp_path / "votes.csv", USAGE)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="votes"):
        read_votes(tmp_path / "votes.csv", USAGE)


def test_distribution_is_over_the_seven_emotions_in_their_order():
    # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
    votes = np.array([[1, 0, 0, 2, 3, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]], np.uint8)
    shares = dict(zip(EMOTIONS, vote_distribution(votes)[0].tolist(), strict=True))
    wanted = {"Angry": 3, "Disgust": 1, "Fear": 1, "Happy": 0, "Sad": 2, "Surprise": 0, "Neutral": 1}
    assert shares == pytest.approx({name: count / 8 for name, count in wanted.items()})
    assert not vote_distribution(votes)[1].any()


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        ([0, 0, 0, 0, 6, 4, 0, 0, 0, 0], EMOTIONS.index("Angry")),
        ([4, 0, 0, 3, 3, 0, 0, 0, 0, 0], EMOTIONS.index("Neutral")),
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], NO_MAJORITY),
        ([2, 0, 0, 0, 3, 0, 0, 5, 0, 0], NO_MAJORITY),
        ([0, 0, 0, 0, 4, 0, 0, 0, 2, 4], NO_MAJORITY),
        ([0] * 10, NO_MAJORITY),
    ],
)
def test_majority_needs_more_votes_than_anything_else(votes, winner):
    assert majority(np.array([votes], np.uint8)).tolist() == [winner]


@pytest.mark.parametrize(
    ("emotions", "shares", "winner"),
    [
        ((*EMOTIONS, "Contempt"), [0, 0, 0, 0.2, 0, 0, 0.3, 0.5], 7),
        (("Happy", "Neutral"), [0.4, 0.6], -1),
        (("Contempt", "Happy"), [5 / 7, 2 / 7], 0),
    ],
)
def test_votes_of_other_sets_of_emotions(emotions, shares, winner):
    votes = np.array([[3, 2, 0, 0, 0, 0, 0, 5, 0, 0]], np.uint8)
    np.testing.assert_allclose(vote_distribution(votes, emotions)[0], shares, atol=1e-6)
    assert majority(votes, emotions).tolist() == [winner]


def test_emotions_without_votes_are_refused():
    check_voted((*EMOTIONS, "Contempt"))
    with pytest.raises(ValueError, match="Wut and Bored"):
        check_voted(("Wut", "Happy", "Bored"))
