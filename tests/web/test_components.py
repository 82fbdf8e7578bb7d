"""Test the HTML, JSON and CSV that the page shows, without a server."""

import base64
import csv
import io
import re

import numpy as np
import pytest
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS
from pipeline.data.image_io import LoadedImage
from pipeline.figures.palette import EMOTION_COLORS
from pipeline.vision.face import Face
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import to_rows
from pipeline.web import components
from pipeline.web.sessions import FrameResult
from pipeline.web.templating import render
from pipeline.web.video_jobs import AnnotatedVideo

HAPPY = EMOTIONS.index("Happy")


def create_face(track_id: int = 1) -> FacePrediction:
    probabilities = np.full(7, 0.05, np.float32)
    probabilities[HAPPY] = 0.7
    landmarks = ((12.0, 14.0), (18.0, 14.0), (15.0, 16.0), (12.0, 18.0), (18.0, 18.0))
    return FacePrediction(Face((10.0, 10.0, 10.0, 10.0), 0.9, landmarks), probabilities, track_id)


def create_image() -> LoadedImage:
    return LoadedImage(np.zeros((60, 80, 3), np.uint8), (80, 60))


def create_video(tmp_path, **changes: object) -> AnnotatedVideo:
    face = create_face()
    values = {
        "path": tmp_path / "copy.mp4",
        "name": "party.mp4",
        "rows": to_rows("party.mp4", [face], 1, 0.0),
        "mean_probabilities": {1: face.probabilities},
        "seconds": 2.0,
        "is_complete": True,
    }
    return AnnotatedVideo(**(values | changes))


def test_overlay_holds_what_the_camera_draws():
    overlay = components.to_overlay(FrameResult([create_face()], (640, 480)))
    (face,) = overlay.pop("faces")
    assert overlay == {"width": 640, "height": 480}
    assert face["track_id"] == 1 and face["emotion"] == "Happy" and face["color"] == EMOTION_COLORS["Happy"]
    assert face["center"] == (15, 15) and face["size"] == (10, 10)
    assert face["probabilities"][HAPPY] == pytest.approx(0.7)
    assert face["text_color"] in ("rgb(255, 255, 255)", "rgb(24, 24, 24)")


def test_image_result_annotates_the_image_and_offers_downloads():
    image = create_image()
    result = components.image_result("me.png", image, [create_face()])
    html = result.html
    assert result.face_count == len(result.rows) == 1
    assert not image.pixels.any() and read_jpeg(html).any()
    assert "1 face found." in html and html.count('class="card"') == 1
    assert 'download="me_annotated.jpg"' in html and 'download="me.csv"' in html
    assert "--probability:0.7000" in html and ">70%<" in html


def test_an_explanation_is_shown_beside_the_annotated_image():
    image, explanation = create_image(), np.zeros((20, 30, 3), np.uint8)
    plain = components.image_result("me.png", image, [create_face()]).html
    explained = components.image_result("me.png", image, [create_face()], explanation=explanation).html
    assert explained.count("<img") == plain.count("<img") + 1
    assert "data:image/png;base64," in explained and "data:image/png;base64," not in plain


def test_the_table_of_a_reduced_image_has_coordinates_of_the_file():
    image = LoadedImage(np.zeros((60, 80, 3), np.uint8), (160, 120), ("reduced",))
    html = components.image_result("me.png", image, [create_face()]).html
    assert read_jpeg(html).shape == (120, 160, 3)
    (row,) = csv.DictReader(io.StringIO(base64.b64decode(find_data(html, "text/csv")).decode()))
    assert (row["left"], row["note"]) == ("10.0", "reduced")


def find_data(html: str, kind: str) -> str:
    """Return the data of the first data URL of a kind, in base64."""
    return re.search(f'data:{kind};base64,([^"]+)', html)[1]


def read_jpeg(html: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(find_data(html, "image/jpeg")))))


def test_image_without_a_face_has_no_cards():
    html = components.image_result("wall.png", create_image(), []).html
    assert "No face found." in html and 'class="card"' not in html and 'alt="wall.png"' in html


def test_faces_beyond_the_maximum_are_only_counted():
    faces = [create_face(track_id) for track_id in range(1, components.MAX_CARDS + 4)]
    html = components.image_result("crowd.png", create_image(), faces).html
    assert html.count('class="card"') == components.MAX_CARDS
    assert "3 more" in html


def test_file_names_are_escaped(tmp_path):
    name = '"><script>alert(1)</script>.png'
    image_html = components.image_result(name, create_image(), [create_face()]).html
    video_html = components.video_result(create_video(tmp_path, name=name)).html
    header = render("header.html", network=name, accuracy="")
    for html in (image_html, video_html, render("alert.html", text=name), header):
        assert "<script" not in html and "&lt;script" in html


def test_video_result_says_whether_the_video_is_complete(tmp_path):
    complete = components.video_result(create_video(tmp_path)).html
    incomplete = components.video_result(create_video(tmp_path, is_complete=False)).html
    assert "1 face in 2.0 seconds." in complete and "copy.mp4" in complete
    assert "time limit" in incomplete and "time limit" not in complete


def test_video_of_several_frames_has_a_chart_of_each_face(tmp_path):
    rows = [to_rows("party.mp4", [create_face()], frame, frame / 2)[0] for frame in (1, 2, 3)]
    html = components.video_result(create_video(tmp_path, rows=rows)).html
    assert html.count("<polygon") == len(EMOTIONS) and ">2.0 s<" in html
    assert "<polygon" not in components.video_result(create_video(tmp_path)).html


def test_camera_starts_with_a_bar_of_0_percent_for_each_emotion():
    html = components.camera_html()
    assert html.count(">0%<") == len(EMOTIONS)
    assert all(emotion in html for emotion in EMOTIONS)


def test_examples_are_a_photograph_and_drawn_faces_of_their_emotions():
    photograph, *drawn = components.load_examples()
    assert (
        photograph.pixels.shape == (512, 512, 3) and np.ptp(photograph.pixels, axis=2).any()
    )  # it is in color
    assert {example.label for example in drawn} <= set(EMOTIONS)
    assert all(example.pixels.shape == (288, 288, 3) for example in drawn)
    assert components.examples_html("Try one:").count("<button") == 1 + len(components.EXAMPLE_INDICES)


def test_results_of_several_files_have_one_table_of_all():
    image, error = (
        components.image_result("a.png", create_image(), [create_face()]),
        components.error_result("no"),
    )
    assert components.combine_results([image]) == image.html
    html = components.combine_results([image, error, components.image_result("b.png", create_image(), [])])
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(find_data(html, "text/csv")).decode())))
    assert [row["file"] for row in rows] == ["a.png", "b.png"]
    assert (
        "3 files, 1 face" in html and html.count('class="result"') == 2 and html.count('class="alert"') == 1
    )


def test_csv_has_a_row_for_each_face():
    header, *rows = components.to_csv(to_rows("a.png", [create_face(1), create_face(2)])).splitlines()
    assert header.startswith("file,frame,seconds,face,")
    assert len(rows) == 2 and all(row.startswith("a.png,") and ",Happy," in row for row in rows)
