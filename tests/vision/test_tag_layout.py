"""Each face has its number; no tag covers another tag or another face; panels and labels only where there is room."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.data.fer2013 import EMOTIONS
from pipeline.vision import tag_layout
from pipeline.vision.face import Face
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import to_rows
from pipeline.vision.tag_layout import Rectangle, Tag, bounding_rectangle, place_tags

WIDTH, HEIGHT = 1200, 800


def make_faces(
    boxes: list[tuple[float, float, float, float]], rolls: list[float] | None = None
) -> list[FacePrediction]:
    """Return faces with the given boxes, the largest first, with different emotions, numbered from 1."""
    rng = np.random.default_rng(0)
    predictions = []
    for number, box in enumerate(sorted(boxes, key=lambda box: -box[2] * box[3]), start=1):
        roll = np.radians(rolls[number - 1] if rolls else 0)
        landmarks = ((0.0, 0.0), (float(np.cos(roll)), float(np.sin(roll))), *[(0.0, 0.0)] * 3)
        probabilities = rng.dirichlet(np.full(len(EMOTIONS), 0.3)).astype(np.float32)
        predictions.append(FacePrediction(Face(box, 0.9, landmarks), probabilities, number))
    return predictions


def scatter(n_faces: int, seed: int, sides: tuple[int, int]) -> list[tuple[float, float, float, float]]:
    """Return boxes at random positions that do not overlap."""
    rng, boxes = np.random.default_rng(seed), []
    while len(boxes) < n_faces:
        side = float(rng.integers(*sides))
        left, top = rng.uniform(0, WIDTH - side), rng.uniform(0, HEIGHT - side)
        if all(abs(left - x) > max(side, w) + 2 or abs(top - y) > max(side, w) + 2 for x, y, w, _ in boxes):
            boxes.append((float(left), float(top), side, side))
    return boxes


def grid(gap: int) -> list[tuple[float, float, float, float]]:
    """Return twelve faces in three rows, as in a photograph of a group."""
    return [(20.0 + (i % 4) * (150 + gap), 60.0 + i // 4 * (180 + gap), 150.0, 180.0) for i in range(12)]


def overlap(first: Rectangle, second: Rectangle) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def assert_nothing_is_covered(predictions: list[FacePrediction], tags: list[Tag]) -> None:
    for first, second in combinations(tags, 2):
        assert not overlap(first.rectangle, second.rectangle)
    for tag in tags:
        left, top, right, bottom = tag.rectangle
        assert 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT
        for prediction in predictions:
            if prediction is not tag.prediction or not tag.text:
                assert not overlap(tag.rectangle, bounding_rectangle(prediction))


TWELVE_FACES = {
    "group": grid(gap=40),
    "tight group": grid(gap=4),
    **{f"scattered {seed}": scatter(12, seed, (60, 200)) for seed in range(6)},
    **{f"small {seed}": scatter(12, seed, (20, 60)) for seed in range(3)},
}


@pytest.mark.parametrize("boxes", TWELVE_FACES.values(), ids=TWELVE_FACES)
@pytest.mark.parametrize("text_size", [12, 25])
def test_twelve_faces_have_numbers_and_no_tag_covers_a_face_or_a_tag(boxes, text_size):
    predictions = make_faces(boxes)
    tags = place_tags(predictions, (HEIGHT, WIDTH), text_size, bars=True)
    numbers = [tag.text.partition(":")[0] for tag in tags if tag.text]
    assert sorted(map(int, numbers)) == [row["face"] for row in to_rows("group.jpg", predictions)]
    assert_nothing_is_covered(predictions, tags)


def test_rotated_faces_are_not_covered_either():
    predictions = make_faces(scatter(12, 3, (60, 120)), rolls=[15.0 * index - 90 for index in range(12)])
    tags = place_tags(predictions, (HEIGHT, WIDTH), 20, bars=True)
    for tag in tags:
        if not tag.text:
            assert not any(overlap(tag.rectangle, bounding_rectangle(each)) for each in predictions)


def test_where_there_is_room_a_face_has_its_label_and_its_panel():
    for box in ((500.0, 300.0, 150.0, 150.0), (0.0, 0.0, 300.0, 300.0), (1000.0, 600.0, 200.0, 200.0)):
        (prediction,) = make_faces([box])
        label, panel = place_tags([prediction], (HEIGHT, WIDTH), 25, bars=True)
        assert label.text == f"1: {prediction.emotion} {prediction.confidence:.0%}" and panel.text == ""
        assert_nothing_is_covered([prediction], [label, panel])


def test_a_face_that_fills_the_image_has_its_label_at_its_edge_and_no_panel():
    (tag,) = place_tags(make_faces([(0.0, 0.0, 1200.0, 800.0)]), (HEIGHT, WIDTH), 25, bars=True)
    assert tag.text.startswith("1: ") and tag.rectangle[3] <= 0.25 * HEIGHT


def test_a_small_face_among_others_has_its_number_alone():
    boxes = [(40.0 + 41 * x, 40.0 + 41 * y, 40.0, 40.0) for x in range(5) for y in range(5)]
    predictions = make_faces(boxes)
    tags = place_tags(predictions, (HEIGHT, WIDTH), 25, bars=False)
    assert {"13"} <= {tag.text for tag in tags} and len(tags) == 25
    assert_nothing_is_covered(predictions, tags)


def test_without_bars_no_panel_is_placed():
    assert all(tag.text for tag in place_tags(make_faces(grid(40)), (HEIGHT, WIDTH), 25, bars=False))


@pytest.mark.parametrize(
    ("text", "plain"),
    [("Fröhlich", "Frohlich"), ("Überraschung", "Uberraschung"), ("Dégoût", "Degout"), ("快乐", "?")],
)
def test_letters_with_accents_are_drawn_or_lose_them(monkeypatch, text, plain):
    render = tag_layout.render_text.__wrapped__
    if tag_layout._find_unicode_font():
        accented = render(text, 20)
        assert accented.shape[0] == 27 and not np.array_equal(accented, render("\u25a1" + text[1:], 20))
    monkeypatch.setattr(tag_layout, "_find_unicode_font", lambda: None)
    np.testing.assert_array_equal(render(text, 20), render(plain, 20))
