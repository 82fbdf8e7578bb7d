"""What Webcam_page.py shows: its fragments of HTML, all numbers and colours of which come from here, and its server.

How it looks stands in page.css, and what the camera does in page.js. Nothing is fetched from anywhere else: no fonts,
no scripts, no statistics; what is shown of a picture travels within the page itself.
"""

import base64
import html as markup
import io
import webbrowser
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline import shipped
from pipeline.colours import EMOTION_COLOURS
from pipeline.dataset import EMOTIONS
from pipeline.drawing import COLOURS, draw, readable_on
from pipeline.files import shown
from pipeline.in_private import FOLDER
from pipeline.journal import Row, rows_of, write_csv_to
from pipeline.recognition import Recognised
from pipeline.visitors import Film, Seen, smaller

import cv2
import gradio as gr
import numpy as np
from gradio.themes import Base
from PIL import Image
from starlette.middleware import Middleware

HERE = Path(__file__).parent
MOST_CARDS = 12  # faces that get bars; the CSV has them all
EXAMPLES = (7, 8, 10, 12)  # of the 14 drawn faces; a network that knows photographs errs on most others
ENLARGED = 6  # times, of a drawn face of 48x48 that is looked at as a picture
ALLOWANCE = 1_000_000  # bytes of a request around the file in it
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
NOTE = "A label names how a face looks to others, not what its owner feels. Don't judge people by it."
MEGABYTE = 2**20  # bytes, as Gradio counts them


# --------------------------------------------------------------------------------------------------
# The server
# --------------------------------------------------------------------------------------------------
def serve(blocks: gr.Blocks, settings: Any) -> None:
    """Serve the page until Ctrl-C. Raises OSError where the port is taken."""
    try:
        _, address, _ = blocks.launch(
            server_name=settings.host,
            server_port=settings.port,
            ssl_certfile=settings.certificate or None,
            ssl_keyfile=settings.key or None,
            ssl_verify=False,  # it only asks itself whether it is up, and people make certificates themselves
            root_path=settings.root_path or None,
            max_file_size=round(settings.largest * MEGABYTE),
            app_kwargs={
                "middleware": [Middleware(Bounded, most=round(settings.largest * MEGABYTE) + ALLOWANCE)]
            },
            allowed_paths=[str(FOLDER / "films")],
            theme=Base(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=("monospace",)),
            css=(HERE / "page.css").read_text(encoding="utf-8"),
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            footer_links=[],
        )
    except OSError as error:
        raise OSError(
            f"Nothing can be served at {settings.host}, port {settings.port}: it is taken, or no address of this "
            "machine. Try another port: --port 8080"
        ) from error
    print(f"  open {address}", flush=True)
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        print("  Whoever can reach this machine can open it.", flush=True)
    print("  Ctrl-C ends it.", flush=True)
    if settings.browser:
        webbrowser.open(address)
    try:
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


class Bounded:
    """Refuses whatever comes with more than `most` bytes, or without saying how many, before any of it is read."""

    def __init__(self, app: Callable, most: int):
        self.app, self.most = app, most

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit() or int(length) > self.most:
                sentence = f"A file may have {(self.most - ALLOWANCE) / MEGABYTE:g} MB at most.".encode()
                headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
                await send({"type": "http.response.start", "status": 413, "headers": headers})
                await send({"type": "http.response.body", "body": sentence})
                return
        await self.app(scope, receive, send)


def forget(path: Path) -> None:
    """Remove an uploaded file and the folder that Gradio made for it."""
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def reason(error: Exception, path: Path | None = None) -> str:
    """An error as the page tells it: without the folder in which an uploaded file lies for a while."""
    told = str(error) if not isinstance(error, KeyError) else f"{error} is missing."
    return shown(told.replace(str(path), path.name) if path else told)


# --------------------------------------------------------------------------------------------------
# What stands on it
# --------------------------------------------------------------------------------------------------
def html(content: str) -> gr.HTML:
    return gr.HTML(content, apply_default_css=False)


def heading(model: str) -> str:
    return (
        '<header class="top"><h1>Facial expressions</h1>'
        f"<p>Recognised by {markup.escape(model)} on the machine that serves this page. "
        "It keeps no picture.</p></header>"
    )


def hint(text: str) -> str:
    return f'<p class="hint">{markup.escape(text)}</p>'


def footnote() -> str:
    return f'<footer class="note">{markup.escape(NOTE)}</footer>'


def sentence(text: str) -> str:
    return f'<p class="sentence" role="alert">{markup.escape(text)}</p>'


def camera(look: Callable[[dict], dict], table: Callable[[dict], str]) -> gr.HTML:
    """The camera's part. Its value is the tab's name, by which `look` and `table` know it again."""
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return gr.HTML(
        "",
        html_template=template.replace("BARS", bars(np.zeros(len(EMOTIONS)))),
        js_on_load=(HERE / "page.js").read_text(encoding="utf-8"),
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
    faces = (shipped.drawn_faces()[..., 0] * 255).round().astype(np.uint8)
    return [(EMOTIONS[number // 2], enlarged(faces[number])) for number in EXAMPLES]


def enlarged(face: np.ndarray) -> np.ndarray:
    face = cv2.resize(face, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(face, cv2.COLOR_GRAY2RGB)


# --------------------------------------------------------------------------------------------------
# What was recognised
# --------------------------------------------------------------------------------------------------
def answer(seen: Seen) -> dict[str, Any]:
    """A frame's faces as page.js draws them; lengths and places in pixels, colours as CSS has them."""
    return {
        "width": seen.size[0],
        "height": seen.size[1],
        "faces": [
            {
                "number": face.number,
                "emotion": face.emotion,
                "centre": face.face.centre,
                "size": face.face.box[2:],
                "tilt": face.face.tilt,
                "colour": EMOTION_COLOURS[face.emotion],
                "ink": css(readable_on(COLOURS[face.emotion])),
                "shares": [round(float(share), 4) for share in face.probabilities],
            }
            for face in seen.faces
        ],
    }


def picture_result(name: str, picture: np.ndarray, faces: list[Recognised]) -> str:
    """A picture with its faces marked, bars for each, and what can be downloaded. Draws on the picture."""
    rows = rows_of(name, faces)
    draw(picture, faces, bars=False)
    told = f"{len(faces):,} face{'s' * (len(faces) > 1)} found." if faces else "No face found."
    image = data_url(smaller(picture), "jpeg")
    alt = f"{name}, with its faces marked: {', '.join(face.emotion for face in faces[:MOST_CARDS])}"
    cards = [(f"Face {face.number}", face.probabilities) for face in faces]
    media = f'<img src="{image}" alt="{markup.escape(alt if faces else name)}">'
    saved = link(image, f"{Path(name).stem}_marked.jpg", "Save the picture")
    return result(media, told, cards, [saved, csv_link(rows, name)])


def film_result(film: Film) -> str:
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
    more = len(cards) - MOST_CARDS
    shown_cards = "".join(card(title, probabilities) for title, probabilities in cards[:MOST_CARDS])
    rest = hint(f"... and {more:,} more, which the CSV has.") if more > 0 else ""
    return (
        f'<section class="result"><figure>{media}</figure><div class="told">'
        f'<p class="answer" role="status">{markup.escape(told)}</p><div class="links">{"".join(links)}</div>'
        f'<div class="cards">{shown_cards}</div>{rest}</div></section>'
    )


def card(title: str, probabilities: np.ndarray) -> str:
    emotion = EMOTIONS[int(np.argmax(probabilities))]
    colour = EMOTION_COLOURS[emotion]
    return (
        f'<article class="card"><h2><span class="dot" style="background:{colour}"></span>{emotion}'
        f"<small>{markup.escape(title)}</small></h2>{bars(probabilities)}</article>"
    )


def bars(probabilities: np.ndarray) -> str:
    """A bar for each emotion, with its share in words beside it."""
    lines = "".join(
        f'<li style="--share:{share:.4f};--colour:{EMOTION_COLOURS[name]}"><span>{name}</span>'
        f'<span class="bar"></span><span class="share">{share:.0%}</span></li>'
        for name, share in zip(EMOTIONS, map(float, probabilities), strict=True)
    )
    return f'<ul class="bars">{lines}</ul>'


def csv_link(rows: list[Row], name: str) -> str:
    packed = base64.b64encode(as_csv(rows).encode()).decode()
    return link(f"data:text/csv;base64,{packed}", f"{Path(name).stem}.csv", "Download the CSV")


def as_csv(rows: Iterable[Row]) -> str:
    table = io.StringIO(newline="")
    write_csv_to(table, rows)
    return table.getvalue()


def link(address: str, name: str, text: str) -> str:
    return f'<a class="button" href="{address}" download="{markup.escape(name)}">{text}</a>'


def data_url(picture: np.ndarray, kind: str) -> str:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, kind, quality=90)
    return f"data:image/{kind};base64,{base64.b64encode(packed.getvalue()).decode()}"


def css(colour: tuple[int, int, int]) -> str:
    return "rgb({}, {}, {})".format(*colour)
