"""Faces are held out for the splits that a data set lacks: stratified, seeded, equal images on one side."""

import numpy as np
import pytest

from pipeline.data.fer2013 import USAGES, Table, count_faces
from pipeline.data.splits import fill_splits


def make_table(n_faces: int, n_images: int, usages: list[str] | None = None) -> Table:
    """Make a table of `n_faces` whose images are repeated, of all emotions but with unequal shares."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_images, 48, 48), dtype=np.uint8)
    labels = np.tile(np.repeat(np.arange(7, dtype=np.uint8), [4, 1, 4, 6, 5, 3, 5]), n_images // 28 + 1)
    image = np.arange(n_faces) % n_images
    table = {"emotion": labels[image], "pixels": images[image]}
    return table | ({"Usage": np.array(usages)} if usages else {})


def split_counts(table: Table) -> list[int]:
    return count_faces(table["emotion"], table["Usage"]).sum(axis=1).tolist()


@pytest.mark.parametrize(
    ("percentages", "counts"),
    [((80, 10, 10), [800, 100, 100]), ((70, 10, 20), [700, 100, 200]), ((34, 33, 33), [340, 330, 330])],
)
def test_faces_without_splits_are_divided_in_these_percentages(percentages, counts):
    table, note = fill_splits(make_table(1000, 1000), percentages, 0, "faces")
    assert split_counts(table) == pytest.approx(counts, abs=3)  # rounded per emotion
    shares = count_faces(table["emotion"], table["Usage"]) / np.array(counts)[:, np.newaxis]
    assert abs(shares - shares[0]).max() < 0.015
    assert "no splits" in note and f"{split_counts(table)[2]} for test" in note
    assert [USAGES.index(usage) for usage in table["Usage"]] == sorted(map(USAGES.index, table["Usage"]))


@pytest.mark.parametrize("missing", [["PublicTest"], ["PrivateTest"], ["PublicTest", "PrivateTest"]])
def test_a_missing_split_is_held_out_of_train_alone(missing):
    usages = ["Training"] * 800
    for usage in USAGES[1:]:
        usages += [] if usage in missing else [usage] * 100
    before = make_table(len(usages), 1000, usages)
    after, note = fill_splits(before, (80, 10, 10), 0, "faces")
    expected = [800 - 80 * len(missing), *(80 if usage in missing else 100 for usage in USAGES[1:])]
    assert split_counts(after) == pytest.approx(expected, abs=3)
    for usage in set(USAGES[1:]) - set(missing):
        kept = after["pixels"][after["Usage"] == usage]
        assert np.array_equal(kept, before["pixels"][before["Usage"] == usage])
    assert "of its 800 faces for training" in note.lower()


@pytest.mark.parametrize("usages", [None, ["Training"] * 1000, ["Training"] * 900 + ["PrivateTest"] * 100])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_images_stay_on_one_side(usages, seed):
    table, _ = fill_splits(make_table(1000, 450, usages), (80, 10, 10), seed, "faces")
    images = [
        {face.tobytes() for face in table["pixels"][table["Usage"] == usage]}
        for usage in (USAGES if usages is None or "PrivateTest" not in usages else USAGES[:2])
    ]
    assert sum(map(len, images)) == len(set().union(*images))


def test_the_seed_decides():
    table = make_table(500, 500)
    first, same, other = (fill_splits(table, (80, 10, 10), seed, "faces")[0] for seed in (3, 3, 4))
    assert np.array_equal(first["pixels"], same["pixels"])
    assert not np.array_equal(first["pixels"], other["pixels"])


def test_other_columns_keep_their_rows():
    table = make_table(500, 500)
    table["votes"] = table["pixels"][:, 0, :10]
    filled, _ = fill_splits(table, (80, 10, 10), 0, "faces")
    assert np.array_equal(filled["votes"], filled["pixels"][:, 0, :10])
    assert not np.array_equal(filled["votes"], table["votes"])


def test_a_data_set_with_all_splits_stays_as_it_is():
    table = make_table(30, 30, [*USAGES] * 10)
    assert fill_splits(table, (80, 10, 10), 0, "faces") == (table, "")


@pytest.mark.parametrize("percentages", [(80, 10, 5), (100, 0, 0), (90, 20, -10), (8, 1, 1)])
def test_percentages_that_do_not_sum_to_100_are_refused(percentages):
    with pytest.raises(ValueError, match="100"):
        fill_splits(make_table(500, 500), percentages, 0, "faces")


@pytest.mark.parametrize("n_faces", [3, 4, 6])
def test_an_emotion_with_three_faces_is_in_all_splits(n_faces):
    table, _ = fill_splits(with_few_of_disgust(n_faces), (80, 10, 10), 0, "faces.csv")
    counts = count_faces(table["emotion"], table["Usage"])
    assert counts[:, 1].tolist() == [n_faces - 2, 1, 1]


@pytest.mark.parametrize("n_faces", [1, 2])
def test_an_emotion_with_fewer_faces_is_refused_by_name(n_faces):
    with pytest.raises(ValueError, match=rf"faces\.csv has {n_faces} .*Disgust"):
        fill_splits(with_few_of_disgust(n_faces), (80, 10, 10), 0, "faces.csv")


def with_few_of_disgust(n_faces: int) -> Table:
    table = make_table(280, 280)
    keep = table["emotion"] != 1
    keep[np.flatnonzero(~keep)[:n_faces]] = True
    return {name: column[keep] for name, column in table.items()}
