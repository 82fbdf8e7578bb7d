"""Render the Jinja templates of templates/ and read the files of static/."""

from pathlib import Path

import jinja2

WEB_DIR = Path(__file__).parent
STATIC_DIR = WEB_DIR / "static"
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(WEB_DIR / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def render(name: str, **values: object) -> str:
    """Return the HTML of a template; all values are escaped."""
    return ENVIRONMENT.get_template(name).render(values)


def read_static(name: str) -> str:
    """Return the text of a style sheet or a script."""
    return (STATIC_DIR / name).read_text(encoding="utf-8")
