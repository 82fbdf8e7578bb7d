"""Build the HTML and JSON that the page shows. All text, numbers and colors come from here and from templates/.

The style sheet is static/page.css, and the camera is run by static/camera.js. The browser loads nothing from other
servers: no fonts, scripts or analytics. Images are embedded in the HTML.
"""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS, Emotions
from pipeline.data.image_io import LoadedImage, read_image
from pipeline.data.pixels import to_uint8
from pipeline.figures.palette import get_colors, to_rgb
from pipeline.models import model_zoo
from pipeline.vision.annotate import annotated_copy, contrasting_color
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import to_rows
from pipeline.vision.results_table import Row, list_columns, write_csv_to
from pipeline.web.emotion_chart import Chart, lay_out_charts
from pipeline.web.frames import limit_size
from pipeline.web.sessions import FrameResult
from pipeline.web.templating import STATIC_DIR, render
from pipeline.web.video_jobs import AnnotatedVideo
from pipeline.workflow.formatting import format_count

MAX_CARDS = 12  # faces whose probabilities are shown; the CSV has all
PHOTOGRAPH = "eileen_collins.jpg"  # in static/: by NASA, in the public domain (https://flic.kr/p/r9qvLn)
EXAMPLE_INDICES = (7, 8, 10, 12)  # reference faces that a network trained on photographs classifies correctly
EXAMPLE_SCALE = 6  # enlargement of a reference face of 48x48 pixels
THUMBNAIL_SIDE = 128  # pixels, of the example images on their buttons


@dataclass(frozen=True)
class Example:
    """An image to try: (height, width, 3) uint8 RGB."""

    label: str
    description: str
    file_name: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Result:
    """What a file gave: HTML, and the rows of its table, none if the file could not be read."""

    html: str
    rows: list[Row]
    face_count: int = 0
    emotions: Emotions = EMOTIONS


# --------------------------------------------------------------------------------------------------
# The parts of the page
# --------------------------------------------------------------------------------------------------
def camera_html(emotions: Emotions = EMOTIONS) -> str:
    """Return the camera's part of the page, with the probabilities at 0."""
    return render("camera.html", bars=_bars(np.zeros(len(emotions)), emotions))


def examples_html(text: str) -> str:
    """Return a text and the example images as buttons, numbered by data-index."""
    examples = [
        {"label": example.label, "description": example.description, "url": _thumbnail(example.pixels)}
        for example in load_examples()
    ]
    return render("examples.html", text=text, examples=examples)


@lru_cache(maxsize=1)
def load_examples() -> list[Example]:
    """Load the example images: a photograph and drawn faces."""
    photograph = read_image(STATIC_DIR / PHOTOGRAPH).pixels
    examples = [Example("Photograph", "photograph of Eileen Collins", PHOTOGRAPH, photograph)]
    faces = to_uint8(model_zoo.load_reference_faces()[..., 0])
    for index in EXAMPLE_INDICES:
        emotion = EMOTIONS[index // 2]
        pixels = _enlarge(faces[index])
        examples.append(Example(emotion, f"drawn face: {emotion}", f"{emotion.lower()}.png", pixels))
    return examples


def _thumbnail(pixels: np.ndarray) -> str:
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return _to_data_url(cv2.resize(pixels, side, interpolation=cv2.INTER_AREA), "jpeg")


def _enlarge(face: np.ndarray) -> np.ndarray:
    face = cv2.resize(face, None, fx=EXAMPLE_SCALE, fy=EXAMPLE_SCALE, interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(face, cv2.COLOR_GRAY2RGB)


# --------------------------------------------------------------------------------------------------
# Results
# --------------------------------------------------------------------------------------------------
def to_overlay(result: FrameResult) -> dict[str, Any]:
    """Convert a frame's faces to the JSON that camera.js draws: lengths in pixels, roll in degrees, CSS colors."""
    width, height = result.size
    return {"width": width, "height": height, "faces": [_to_json(face) for face in result.faces]}


def _to_json(face: FacePrediction) -> dict[str, Any]:
    color = get_colors(face.emotions)[face.emotion]
    return {
        "track_id": face.track_id,
        "emotion": face.emotion,
        "center": face.face.center,
        "size": face.face.box[2:],
        "roll": face.face.roll,
        "color": color,
        "text_color": "rgb({}, {}, {})".format(*contrasting_color(to_rgb(color))),
        "probabilities": [round(float(probability), 4) for probability in face.probabilities],
    }


def image_result(
    name: str,
    image: LoadedImage,
    faces: list[FacePrediction],
    emotions: Emotions = EMOTIONS,
    explanation: np.ndarray | None = None,
) -> Result:
    """Return an image's results; the faces are in coordinates of the file's image.

    Args:
        explanation: image (height, width, 3) uint8 RGB of the faces with their saliency maps.
    """
    rows = to_rows(name, faces, notes=image.notes)
    url = _to_data_url(limit_size(annotated_copy(image, faces, bars=False)), "jpeg")
    found = ", ".join(face.emotion for face in faces[:MAX_CARDS])
    html = _render_result(
        "image_result.html",
        url=url,
        description=f"{name}, with its faces annotated: {found}" if faces else name,
        explanation=_to_data_url(explanation, "png") if explanation is not None else None,
        summary=f"{name}: {format_count(len(faces), 'face')} found." if faces else f"{name}: No face found.",
        cards=[_card(f"Face {face.track_id}", face.probabilities, emotions) for face in faces],
        downloads=[
            (url, f"{Path(name).stem}_annotated.jpg", "Save the image"),
            _csv_download(name, rows, emotions),
        ],
    )
    return Result(html, rows, len(faces), emotions)


def video_result(video: AnnotatedVideo) -> Result:
    """Return a video's results: the annotated copy, and each face's probabilities, their mean and over time."""
    url = f"gradio_api/file={video.path.as_posix()}"
    n_faces = len(video.mean_probabilities)
    summary = f"{video.name}: {format_count(n_faces, 'face')} in {video.seconds:.1f} seconds."
    charts = lay_out_charts(video.rows, video.seconds, video.emotions)
    if not video.is_complete:
        summary += " The rest of the video exceeds the time limit or cannot be read."
    html = _render_result(
        "video_result.html",
        url=url,
        description=video.name,
        summary=summary,
        cards=[
            _card(f"Face {track_id}, mean", probabilities, video.emotions, charts.get(track_id))
            for track_id, probabilities in video.mean_probabilities.items()
        ],
        downloads=[
            (url, f"{Path(video.name).stem}_annotated.mp4", "Save the video"),
            _csv_download(video.name, video.rows, video.emotions),
        ],
    )
    return Result(html, video.rows, n_faces, video.emotions)


def error_result(text: str) -> Result:
    """Return an error, in place of a file's results."""
    return Result(render("alert.html", text=text), [])


def combine_results(results: list[Result]) -> str:
    """Return the results of the files of an upload as HTML; above those of several, their sum and one table."""
    html = "".join(result.html for result in results)
    if len(results) == 1:
        return html
    face_count = sum(result.face_count for result in results)
    summary = f"{format_count(len(results), 'file')}, {format_count(face_count, 'face')}"
    rows = [row for result in results for row in result.rows]
    url, _, text = _csv_download("faces", rows, results[0].emotions)
    return render("overview.html", summary=summary, download=(url, "faces.csv", f"{text} of all")) + html


def _render_result(template: str, cards: list[dict[str, Any]], **values: object) -> str:
    hidden_count = max(0, len(cards) - MAX_CARDS)
    return render(template, cards=cards[:MAX_CARDS], hidden_count=hidden_count, **values)


def _card(
    title: str, probabilities: np.ndarray, emotions: Emotions, chart: Chart | None = None
) -> dict[str, Any]:
    emotion = emotions[int(np.argmax(probabilities))]
    return {
        "title": title,
        "emotion": emotion,
        "color": get_colors(emotions)[emotion],
        "bars": _bars(probabilities, emotions),
        "chart": chart,
    }


def _bars(probabilities: np.ndarray, emotions: Emotions) -> list[tuple[str, str, float]]:
    """Return (emotion, color, probability) of each bar."""
    return [
        (emotion, color, float(probability))
        for (emotion, color), probability in zip(get_colors(emotions).items(), probabilities, strict=True)
    ]


# --------------------------------------------------------------------------------------------------
# Downloads
# --------------------------------------------------------------------------------------------------
def to_csv(rows: Iterable[Row], emotions: Emotions = EMOTIONS) -> str:
    """Return a table as CSV."""
    table = io.StringIO(newline="")
    write_csv_to(table, rows, list_columns(emotions))
    return table.getvalue()


def _csv_download(name: str, rows: Iterable[Row], emotions: Emotions) -> tuple[str, str, str]:
    encoded = base64.b64encode(to_csv(rows, emotions).encode()).decode()
    return f"data:text/csv;base64,{encoded}", f"{Path(name).stem}.csv", "Download the CSV"


def _to_data_url(image: np.ndarray, image_format: str) -> str:
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, image_format, quality=90)
    return f"data:image/{image_format};base64,{base64.b64encode(encoded.getvalue()).decode()}"
