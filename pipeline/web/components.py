"""What Webcam_page.py shows: its fragments of HTML, all numbers and colors of which come from here, and its server.

How it looks stands in page.css, and what the camera does in page.js. Nothing is fetched from anywhere else: no fonts,
no scripts, no statistics; what is shown of a picture travels within the page itself.
"""

import base64
import html as markup
import io
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from PIL import Image

from pipeline.data.fer2013 import EMOTIONS
from pipeline.figures.palette import EMOTION_COLORS
from pipeline.models import model_zoo
from pipeline.vision.annotate import EMOTION_RGB, annotate_faces, contrasting_color
from pipeline.vision.recognition import FacePrediction
from pipeline.vision.results_log import to_rows
from pipeline.vision.results_table import Row, write_csv_to
from pipeline.web.sessions import FrameResult, limit_size
from pipeline.web.video_jobs import AnnotatedVideo

HERE = Path(__file__).parent
MAX_CARDS = 12  # faces that get bars; the CSV has them all
EXAMPLE_INDICES = (
    7,
    8,
    10,
    12,
)  # of the 14 drawn faces; a network that knows photographs errs on most others
EXAMPLE_SCALE = 6  # times, of a drawn face of 48x48 that is looked at as a picture
DISCLAIMER = "A label names how a face looks to others, not what its owner feels. Don't judge people by it."


def html(content: str) -> gr.HTML:
    return gr.HTML(content, apply_default_css=False)


def heading(model: str) -> str:
    return (
        '<header class="top"><h1>Facial expressions</h1>'
        f"<p>Recognized by {markup.escape(model)} on the machine that serves this page. "
        "It keeps no picture.</p></header>"
    )


def hint(text: str) -> str:
    return f'<p class="hint">{markup.escape(text)}</p>'


def footnote() -> str:
    return f'<footer class="note">{markup.escape(DISCLAIMER)}</footer>'


def alert(text: str) -> str:
    return f'<p class="sentence" role="alert">{markup.escape(text)}</p>'


def camera(look: Callable[[dict], dict], table: Callable[[dict], str]) -> gr.HTML:
    """The camera's part. Its value is the tab's name, by which `look` and `table` know it again."""
    template = (HERE / "templates" / "camera.html").read_text(encoding="utf-8")
    return gr.HTML(
        "",
        html_template=template.replace("BARS", bars(np.zeros(len(EMOTIONS)))),
        js_on_load=(HERE / "static" / "camera.js").read_text(encoding="utf-8"),
        server_functions=[look, table],
        apply_default_css=False,
    )


def example_buttons() -> gr.HTML:
    """The drawn faces as buttons; `click` tells which."""
    buttons = "".join(
        f'<button type="button" data-number="{number}" aria-label="Look at a face drawn {name.lower()}">'
        f'<img src="{data_url(picture, "png")}" alt="" width="64" height="64"><span>{name}</span></button>'
        for number, (name, picture) in enumerate(examples())
    )
    script = """element.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) trigger("click", { number: button.dataset.number });
    });"""
    return gr.HTML(f'<div class="examples">{buttons}</div>', js_on_load=script, apply_default_css=False)


@lru_cache(maxsize=1)
def examples() -> list[tuple[str, np.ndarray]]:
    """What a drawn face should show, and the face as a picture."""
    faces = (model_zoo.load_reference_faces()[..., 0] * 255).round().astype(np.uint8)
    return [(EMOTIONS[number // 2], enlarge(faces[number])) for number in EXAMPLE_INDICES]


def enlarge(face: np.ndarray) -> np.ndarray:
    face = cv2.resize(face, None, fx=EXAMPLE_SCALE, fy=EXAMPLE_SCALE, interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(face, cv2.COLOR_GRAY2RGB)


def to_overlay(seen: FrameResult) -> dict[str, Any]:
    """A frame's faces as page.js draws them; lengths and places in pixels, colors as CSS has them."""
    return {
        "width": seen.size[0],
        "height": seen.size[1],
        "faces": [
            {
                "number": face.track_id,
                "emotion": face.emotion,
                "center": face.face.center,
                "size": face.face.box[2:],
                "roll": face.face.roll,
                "color": EMOTION_COLORS[face.emotion],
                "ink": to_css(contrasting_color(EMOTION_RGB[face.emotion])),
                "shares": [round(float(share), 4) for share in face.probabilities],
            }
            for face in seen.faces
        ],
    }


def image_result(name: str, picture: np.ndarray, faces: list[FacePrediction]) -> str:
    """A picture with its faces marked, bars for each, and what can be downloaded. Draws on the picture."""
    rows = to_rows(name, faces)
    annotate_faces(picture, faces, bars=False)
    told = f"{len(faces):,} face{'s' * (len(faces) > 1)} found." if faces else "No face found."
    image = data_url(limit_size(picture), "jpeg")
    alt = f"{name}, with its faces marked: {', '.join(face.emotion for face in faces[:MAX_CARDS])}"
    cards = [(f"Face {face.track_id}", face.probabilities) for face in faces]
    media = f'<img src="{image}" alt="{markup.escape(alt if faces else name)}">'
    saved = link(image, f"{Path(name).stem}_marked.jpg", "Save the picture")
    return result(media, told, cards, [saved, csv_link(rows, name)])


def video_result(film: AnnotatedVideo) -> str:
    """A video with its faces marked, and bars for each: the means over the frames that show it."""
    address = f"gradio_api/file={film.path.as_posix()}"
    told = f"{len(film.of_face):,} face{'s' * (len(film.of_face) != 1)} in {film.seconds:.1f} seconds."
    if not film.whole:
        told += " That is not all of it: what follows is over the limit, or cannot be read."
    cards = [(f"Face {number}, on average", mean) for number, mean in film.of_face.items()]
    media = (
        f'<video src="{address}" controls playsinline muted aria-label="{markup.escape(film.name)}"></video>'
    )
    saved = link(address, f"{Path(film.name).stem}_marked.webm", "Save the video")
    return result(media, told, cards, [saved, csv_link(film.rows, film.name)])


def result(media: str, told: str, cards: list[tuple[str, np.ndarray]], links: Iterable[str]) -> str:
    more = len(cards) - MAX_CARDS
    shown_cards = "".join(card(title, probabilities) for title, probabilities in cards[:MAX_CARDS])
    rest = hint(f"... and {more:,} more, which the CSV has.") if more > 0 else ""
    return (
        f'<section class="result"><figure>{media}</figure><div class="told">'
        f'<p class="answer" role="status">{markup.escape(told)}</p><div class="links">{"".join(links)}</div>'
        f'<div class="cards">{shown_cards}</div>{rest}</div></section>'
    )


def card(title: str, probabilities: np.ndarray) -> str:
    emotion = EMOTIONS[int(np.argmax(probabilities))]
    color = EMOTION_COLORS[emotion]
    return (
        f'<article class="card"><h2><span class="dot" style="background:{color}"></span>{emotion}'
        f"<small>{markup.escape(title)}</small></h2>{bars(probabilities)}</article>"
    )


def bars(probabilities: np.ndarray) -> str:
    """A bar for each emotion, with its share in words beside it."""
    lines = "".join(
        f'<li style="--share:{share:.4f};--color:{EMOTION_COLORS[name]}"><span>{name}</span>'
        f'<span class="bar"></span><span class="share">{share:.0%}</span></li>'
        for name, share in zip(EMOTIONS, map(float, probabilities), strict=True)
    )
    return f'<ul class="bars">{lines}</ul>'


def csv_link(rows: list[Row], name: str) -> str:
    packed = base64.b64encode(to_csv(rows).encode()).decode()
    return link(f"data:text/csv;base64,{packed}", f"{Path(name).stem}.csv", "Download the CSV")


def to_csv(rows: Iterable[Row]) -> str:
    table = io.StringIO(newline="")
    write_csv_to(table, rows)
    return table.getvalue()


def link(address: str, name: str, text: str) -> str:
    return f'<a class="button" href="{address}" download="{markup.escape(name)}">{text}</a>'


def data_url(picture: np.ndarray, kind: str) -> str:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, kind, quality=90)
    return f"data:image/{kind};base64,{base64.b64encode(packed.getvalue()).decode()}"


def to_css(color: tuple[int, int, int]) -> str:
    return "rgb({}, {}, {})".format(*color)
