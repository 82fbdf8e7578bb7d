"""A file opens by itself only where somebody sees it: in a terminal, with a display, at this computer."""

import sys
from pathlib import Path

import pytest

from pipeline.figures import viewer


@pytest.fixture
def terminal(monkeypatch):
    """A terminal on Linux, with a display."""
    for name in ("CI", "SSH_CONNECTION", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    return monkeypatch


def test_a_person_at_a_terminal_with_a_display_watches(terminal):
    assert viewer.is_watched()
    terminal.delenv("DISPLAY")
    terminal.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert viewer.is_watched()


@pytest.mark.parametrize("variable", ["CI", "SSH_CONNECTION"])
def test_nobody_watches_a_server(terminal, variable):
    terminal.setenv(variable, "true")
    assert not viewer.is_watched()


def test_nobody_watches_a_pipe(terminal):
    terminal.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not viewer.is_watched()


def test_without_a_display_a_file_is_named_and_not_opened(terminal, capsys):
    opened = []
    terminal.setattr(viewer.webbrowser, "open", opened.append)
    viewer.open_file(Path("/results/report.html"))
    terminal.delenv("DISPLAY")
    assert not viewer.is_watched()
    viewer.open_file(Path("/results/examples.png"))
    assert opened == [Path("/results/report.html").as_uri()] and "examples.png" in capsys.readouterr().out
